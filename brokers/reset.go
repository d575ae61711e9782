package brokers

import (
	"context"
	"errors"
	"fmt"
)

// ResetStep is where a Reset stands.
type ResetStep string

// The steps, in their order.
const (
	ResetPlan   ResetStep = "plan"   // find the new offsets
	ResetStop   ResetStep = "stop"   // stop the services that consume with the group
	ResetWait   ResetStep = "wait"   // until the broker has seen the last member go
	ResetCommit ResetStep = "commit" // set the offsets
	ResetStart  ResetStep = "start"  // start what was stopped
	ResetDone   ResetStep = "done"
)

// Reset moves a consumer group to other offsets, as one action: brokers take offsets from outside only while a group has no
// members, so what consumes with it is stopped before, and started afterwards whatever happened.
type Reset struct {
	On    Broker
	Group GroupReset
	// Stop ends the services that consume with the group; Start brings them back. nil: nothing of ours does.
	Stop, Start func(context.Context) error
	AllowRemote bool
	// Watch is told each step as it begins, with what there is to say of it: who is still a member. nil is allowed.
	Watch func(step ResetStep, detail string)
}

// Run does it and returns what was committed.
func (r *Reset) Run(ctx context.Context) ([]OffsetChange, error) {
	if err := Permit(r.On.Info(), r.AllowRemote); err != nil {
		return nil, err
	}
	groups, ok := r.On.(GroupAdmin)
	if !ok {
		return nil, fmt.Errorf("broker %q has no consumer groups", r.On.Info().Name)
	}
	if r.Watch == nil {
		r.Watch = func(ResetStep, string) {}
	}
	r.Watch(ResetPlan, "")
	if _, err := groups.PlanReset(ctx, r.Group); err != nil { // a wrong one stops nothing
		return nil, err
	}
	var plan []OffsetChange
	var err error
	if r.Stop != nil {
		r.Watch(ResetStop, "")
		err = r.Stop(ctx)
	}
	if err == nil {
		plan, err = r.commit(ctx, groups)
	}
	if r.Start != nil {
		r.Watch(ResetStart, "")
		err = errors.Join(err, r.Start(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return nil, err
	}
	r.Watch(ResetDone, fmt.Sprintf("%d partitions", len(plan)))
	return plan, nil
}

// commit waits for the last member, and plans anew: what was committed at leaving, and what arrived, changes a shift.
func (r *Reset) commit(ctx context.Context, groups GroupAdmin) ([]OffsetChange, error) {
	r.Watch(ResetWait, "")
	err := groups.WaitEmpty(ctx, r.Group.Group, func(left []Member) {
		detail := fmt.Sprintf("%d members are left", len(left))
		for _, m := range left {
			detail += ", " + m.Client + " " + m.Host
			if m.Instance != "" {
				detail += " (static: until its session times out)"
			}
		}
		r.Watch(ResetWait, detail)
	})
	if err != nil {
		return nil, err
	}
	plan, err := groups.PlanReset(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	r.Watch(ResetCommit, "")
	return plan, groups.Commit(ctx, r.Group.Group, plan)
}
