package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"msdev/brokers"
)

// TestAGroupWithoutACoordinatorIsAskedAgain has the cluster answer as a fresh one does: the client gives up at once then.
func TestAGroupWithoutACoordinatorIsAskedAgain(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *Broker) error{
		"plan": func(ctx context.Context, b *Broker) error {
			_, err := b.PlanReset(ctx, brokers.GroupReset{Group: "g", Topics: map[string][]int32{"orders": nil}})
			return err
		},
		"commit": func(ctx context.Context, b *Broker) error {
			return b.Commit(ctx, "g", []brokers.OffsetChange{{Topic: "orders"}})
		},
		"wait": func(ctx context.Context, b *Broker) error { return b.WaitEmpty(ctx, "g", nil) },
	} {
		for _, said := range []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress} {
			t.Run(name+"/"+said.Message, func(t *testing.T) {
				cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
				if err != nil {
					t.Fatal(err)
				}
				defer cluster.Close()
				b, err := New(Options{Name: "kafka", Own: true, URL: cluster.ListenAddrs()[0]})
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				asked := 0
				cluster.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
					cluster.KeepControl()
					if asked++; asked > 3 {
						return nil, nil, false
					}
					return noCoordinator(req.(*kmsg.FindCoordinatorRequest), said), nil, true
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := ask(ctx, b); err != nil || asked < 4 {
					t.Errorf("asked %d times: %v", asked, err)
				}
			})
		}
	}
}

func noCoordinator(of *kmsg.FindCoordinatorRequest, said *kerr.Error) *kmsg.FindCoordinatorResponse {
	resp := of.ResponseKind().(*kmsg.FindCoordinatorResponse)
	resp.ErrorCode = said.Code
	for _, key := range of.CoordinatorKeys {
		one := kmsg.NewFindCoordinatorResponseCoordinator()
		one.Key, one.ErrorCode = key, said.Code
		resp.Coordinators = append(resp.Coordinators, one)
	}
	return resp
}
