package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"msdev/brokers"
	"msdev/runner"
)

// groupRow is one consumer group as `groups --format json` prints it.
type groupRow struct {
	Broker string `json:"broker"`
	brokers.Group
	Services []string `json:"services,omitempty"` // of the graph, that its members are
	Problems []string `json:"problems,omitempty"`
}

func newGroups(a *app) *cobra.Command {
	var o brokerFlags
	var format format
	c := &cobra.Command{
		Use:   "groups [NAME...]",
		Short: "List Kafka's consumer groups: who is in them, and how far behind they are",
		Long:  "List Kafka's consumer groups: who is in them, and how far behind they are. One that is named is shown by partition.",
		Example: `  msdev groups
  msdev groups analytics --format jsonl`,
		ValidArgsFunction: a.completes(0, sourceGroup),
		RunE: func(_ *cobra.Command, names []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error { return c.groups(ctx, format, names) })
		},
	}
	format.register(c.Flags())
	o.register(c.Flags())
	return a.subverbs(c, newGroupDelete(a))
}

func (c *counter) groups(ctx context.Context, f format, names []string) error {
	if err := c.reachable(brokers.Kafka); err != nil {
		return err
	}
	st, err := c.client.State(ctx)
	if err != nil {
		return err
	}
	var rows []groupRow
	for _, b := range c.all {
		if b.topology == nil {
			continue
		}
		for i := range b.topology.Groups {
			g := &b.topology.Groups[i]
			rows = append(rows, groupRow{Broker: b.info.Name, Group: *g, Services: consumers(st.Services, g), Problems: texts(brokers.GroupProblems(g, brokers.Past{}))})
		}
	}
	slices.SortStableFunc(rows, func(x, y groupRow) int { return cmp.Or(cmp.Compare(x.Broker, y.Broker), cmp.Compare(x.Name, y.Name)) })
	if rows, err = pick("group", rows, names, func(r groupRow) (string, string) { return r.Broker, r.Name }); err != nil {
		return err
	}
	several := c.several(brokers.Kafka)
	err = show(c.app, f, rows, []string{"GROUP", "BROKER", "STATE", "MEMBERS", "SERVICES", "TOPICS", "BEHIND", "PROBLEM"}, []int{3, 6}, func(r groupRow) []string {
		broker := ""
		if several {
			broker = r.Broker
		}
		return []string{r.Name, broker, r.State, brokers.Thousands(int64(len(r.Members))), strings.Join(r.Services, ", "), strings.Join(topicsOf(&r.Group), ", "), count(r.Lag), strings.Join(r.Problems, "; ")}
	})
	if f == formatTable && len(names) > 0 {
		for i := range rows {
			c.groupDetail(&rows[i].Group)
		}
	}
	return err
}

// topicsOf are the topics in which a group has committed or is assigned something.
func topicsOf(g *brokers.Group) []string {
	var topics []string
	for _, o := range g.Offsets {
		topics = append(topics, o.Topic)
	}
	for _, m := range g.Members {
		for topic := range m.Assigned {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// groupDetail prints a group by partition.
func (c *counter) groupDetail(g *brokers.Group) {
	printf(c.out, "\n%s\n", g.Name)
	s := sheet{head: []string{"  TOPIC", "PARTITION", "COMMITTED", "END", "BEHIND", "MEMBER", ""}, numbers: []int{1, 2, 3, 4}, paint: newPainter(c.colour(c.out))}
	for _, o := range g.Offsets {
		s.rows = append(s.rows, []string{"  " + o.Topic, strconv.Itoa(int(o.Partition)), plain(o.Committed), plain(o.End), count(o.Lag), memberText(g, o.Member), ""})
	}
	s.print(c.out)
	if len(g.Offsets) == 0 {
		printf(c.out, "  it has committed nothing\n")
	}
}

// memberText names a member by its client id and where it comes from.
func memberText(g *brokers.Group, id string) string {
	i := slices.IndexFunc(g.Members, func(m brokers.Member) bool { return m.ID == id })
	if i < 0 {
		return id
	}
	m := &g.Members[i]
	return strings.TrimSpace(cmp.Or(m.Instance, m.Client) + " " + strings.TrimPrefix(m.Host, "/"))
}

// consumers are the services of the graph that the members of a group are: by the address that they come from, else by what
// they call themselves. Processes and brokers on this machine share an address, so there a name is all that tells.
func consumers(services []runner.Status, g *brokers.Group) []string {
	var found []string
	for i := range services {
		s := &services[i]
		if slices.ContainsFunc(g.Members, func(m brokers.Member) bool { return isMember(s, g, &m) }) {
			found = append(found, s.Service)
		}
	}
	return found
}

func isMember(s *runner.Status, g *brokers.Group, m *brokers.Member) bool {
	host := strings.TrimPrefix(m.Host, "/")
	alive := false
	for _, in := range s.Instances {
		alive = alive || in.Alive()
		if slices.Contains(in.Addresses, host) && !strings.HasPrefix(host, "127.") {
			return true
		}
	}
	named := func(text string) bool { return text == s.Service || strings.HasPrefix(text, s.Service+"-") }
	return alive && (named(m.Client) || named(m.Instance) || g.Name == s.Service)
}

func newGroupDelete(a *app) *cobra.Command {
	var o brokerFlags
	var agreed consent
	var topics []string
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Forget a consumer group and its offsets",
		Example: `  msdev groups delete reports --yes
  msdev groups delete reports --topic order-events   only its offsets in one topic`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completes(1, sourceGroup),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.withBrokers(o, func(ctx context.Context, c *counter) error { return c.deleteGroup(ctx, agreed, args[0], topics) })
		},
	}
	c.Flags().StringArrayVar(&topics, "topic", nil, "only the offsets in a `topic`")
	agreed.register(c.Flags(), true)
	o.register(c.Flags())
	return c
}

func (c *counter) deleteGroup(ctx context.Context, agreed consent, text string, topics []string) error {
	at, g, err := c.group(text)
	if err != nil {
		return err
	}
	admin, ok := at.Broker.(brokers.GroupAdmin)
	if !ok {
		return usageError(fmt.Sprintf("broker %q has no consumer groups", at.info.Name), "")
	}
	doing, lost := fmt.Sprintf("delete group %q", g.Name), "its offsets in "+strings.Join(topicsOf(g), ", ")
	if len(topics) > 0 {
		lost = "its offsets in " + strings.Join(topics, ", ")
	}
	if err := c.permit(ctx, agreed, at.info, doing, lost); err != nil {
		return err
	}
	if err := admin.DeleteGroup(ctx, g.Name, topics...); err != nil {
		return busy(err)
	}
	printf(c.err, "group %q: %s are forgotten\n", g.Name, lost)
	return nil
}

// busy gives the refusal of a group with members its way out.
func busy(err error) error {
	var b *brokers.BusyError
	if !errors.As(err, &b) {
		return err
	}
	var who []string
	for _, m := range b.Members {
		who = append(who, strings.TrimSpace(m.Client+" "+strings.TrimPrefix(m.Host, "/")))
	}
	return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("group %q has members (%s): %s", b.Group, b.State, strings.Join(who, ", ")),
		Hint: "A broker changes a group from outside only while it has none: stop the services that consume with it.", Err: err}
}

// group finds a consumer group by NAME or BROKER/NAME.
func (c *counter) group(text string) (*knownBroker, *brokers.Group, error) {
	if err := c.reachable(brokers.Kafka); err != nil {
		return nil, nil, err
	}
	var there []string
	var at []*knownBroker
	var found *brokers.Group
	for _, b := range c.all {
		if b.topology == nil {
			continue
		}
		for i := range b.topology.Groups {
			g := &b.topology.Groups[i]
			there = append(there, g.Name)
			if g.Name == text || b.info.Name+"/"+g.Name == text {
				at, found = append(at, b), g
			}
		}
	}
	switch len(at) {
	case 0:
		return nil, nil, noSuch("group", text, there)
	case 1:
		return at[0], found, nil
	}
	return nil, nil, usageError(fmt.Sprintf("%d brokers have a group %q", len(at), text), "Write BROKER/"+text+".")
}
