package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"msdev/brokers"
)

// Kafka is a Kafka under test, with another client beside msdev's own.
type Kafka struct {
	Subject
	// Client is one of the application's.
	Client func(t *testing.T, opts ...kgo.Opt) *kgo.Client
}

// RunKafka runs what only a Kafka must do.
func RunKafka(t *testing.T, k Kafka) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Kafka)
	}{
		{"positions", positions},
		{"records of transactions", transactions},
		{"a tap tells aborted records", tapAborted},
		{"partitions and keys", partitioned},
		{"times are kept or new", times},
		{"new partitions and topics are followed", followed},
		{"topics are changed", topicsChanged},
		{"a group, its lag and its reset", groupReset},
		{"a compacted topic", compacted},
		{"a tap joins no group", leavesNoGroup},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, k) })
	}
}

// topic makes a topic with partitions.
func (k Kafka) topic(t *testing.T, partitions int, configs map[string]*string) Place {
	t.Helper()
	topic := brokers.TopicSpec{Name: name("topic"), Partitions: partitions, Replicas: 1, Configs: configs}
	apply(t, k.Broker, brokers.Change{Kind: brokers.CreateTopic, Topic: topic})
	after(t, k.Broker, brokers.Change{Kind: brokers.DeleteTopic, Topic: brokers.TopicSpec{Name: topic.Name}})
	from := brokers.Source{Kind: brokers.SourceTopic, Name: topic.Name}
	return Place{Read: from, Tap: from, To: brokers.Target{Topic: topic.Name}}
}

func digits(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()
}

func joined(messages []brokers.Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.Write(m.Body)
		b.WriteByte(',')
	}
	return b.String()
}

func positions(t *testing.T, k Kafka) {
	at := k.Queue(t)
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var sent []brokers.Message
	for i := range 20 {
		m := k.message(fmt.Sprint(i), fmt.Sprint(i))
		m.Time = start.Add(time.Duration(i) * time.Minute)
		sent = append(sent, m)
	}
	to := at.To
	to.KeepTime = true
	k.send(t, to, sent...)
	pos := func(kind brokers.PositionKind, n int64) brokers.Position {
		return brokers.Position{At: kind, Offset: n}
	}
	clock := func(minute int) brokers.Position {
		return brokers.Position{At: brokers.AtTime, Time: start.Add(time.Duration(minute) * time.Minute)}
	}
	for _, c := range []struct {
		what string
		o    brokers.ReadOptions
		want string
	}{
		{"all", brokers.ReadOptions{}, digits(0, 20)},
		{"from an offset", brokers.ReadOptions{From: pos(brokers.AtOffset, 15)}, digits(15, 20)},
		{"from an offset of the partition", brokers.ReadOptions{From: brokers.Position{At: brokers.AtOffset, Offset: 3, Offsets: map[int32]int64{0: 18}}}, digits(18, 20)},
		{"until an offset", brokers.ReadOptions{Until: pos(brokers.AtOffset, 3)}, digits(0, 3)},
		{"the last", brokers.ReadOptions{From: pos(brokers.AtLast, 4)}, digits(16, 20)},
		{"more than there are", brokers.ReadOptions{From: pos(brokers.AtLast, 400)}, digits(0, 20)},
		{"from the end", brokers.ReadOptions{From: pos(brokers.AtEnd, 0)}, ""},
		{"from beyond the end", brokers.ReadOptions{From: pos(brokers.AtOffset, 400)}, ""},
		{"between times", brokers.ReadOptions{From: clock(5), Until: clock(8)}, digits(5, 8)},
		{"after all times", brokers.ReadOptions{From: clock(50)}, ""},
		{"some of many", brokers.ReadOptions{From: pos(brokers.AtOffset, 2), Limit: 5}, digits(2, 7)},
	} {
		if got := joined(k.read(t, at.Read, c.o)); got != c.want {
			t.Errorf("%s: %s, not %s", c.what, got, c.want)
		}
	}
}

// transact sends two records in a transaction, and one beside it.
func (k Kafka) transact(t *testing.T, topic, id string, how kgo.TransactionEndTry) {
	t.Helper()
	ctx := bounded(t)
	client := k.Client(t, kgo.TransactionalID(name(id)), kgo.DefaultProduceTopic(topic))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"1", "2"} {
		if err := client.ProduceSync(ctx, kgo.StringRecord(id+n)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.EndTransaction(ctx, how); err != nil {
		t.Fatal(err)
	}
}

func transactions(t *testing.T, k Kafka) {
	at := k.Queue(t)
	k.transact(t, at.To.Topic, "kept", kgo.TryCommit)
	k.transact(t, at.To.Topic, "gone", kgo.TryAbort)
	k.send(t, at.To, k.message("", "plain"))
	if got := joined(k.read(t, at.Read, brokers.ReadOptions{})); got != "kept1,kept2,plain," {
		t.Errorf("committed are %s", got)
	}
	var tagged []string
	for _, m := range k.read(t, at.Read, brokers.ReadOptions{Uncommitted: true}) {
		tagged = append(tagged, fmt.Sprintf("%s %t %t", m.Body, m.Aborted, m.Transactional))
	}
	want := []string{"kept1 false true", "kept2 false true", "gone1 true true", "gone2 true true", "plain false false"}
	if !slices.Equal(tagged, want) {
		t.Errorf("uncommitted are %q", tagged)
	}
	// The last transaction's marker has an offset, but is no record.
	k.transact(t, at.To.Topic, "last", kgo.TryAbort)
	if got := joined(k.read(t, at.Read, brokers.ReadOptions{})); got != "kept1,kept2,plain," {
		t.Errorf("behind an aborted one are %s", got)
	}
}

func tapAborted(t *testing.T, k Kafka) {
	at := k.Queue(t)
	all := k.watch(t, at.Tap, brokers.TapOptions{Uncommitted: true}, nil)
	committed := k.watch(t, at.Tap, brokers.TapOptions{}, nil)
	k.transact(t, at.To.Topic, "gone", kgo.TryAbort)
	k.transact(t, at.To.Topic, "kept", kgo.TryCommit)
	k.send(t, at.To, k.message("", "plain"))
	if got := joined(committed.saw(3)); got != "kept1,kept2,plain," {
		t.Errorf("committed are %s", got)
	}
	seen := all.saw(5)
	if got := joined(seen); got != "gone1,gone2,kept1,kept2,plain," || !seen[0].Aborted || seen[2].Aborted || seen[2].Open {
		t.Errorf("uncommitted are %s, %+v", got, seen)
	}
}

func partitioned(t *testing.T, k Kafka) {
	at := k.topic(t, 3, nil)
	third := at.To
	third.Partition = new(int32(2))
	if r := k.send(t, third, k.message("a", "named")); r[0].Partition != 2 || r[0].Offset != 0 {
		t.Errorf("a named partition gave %+v", r)
	}
	var sent []brokers.Message
	for i := range 60 {
		sent = append(sent, k.message(fmt.Sprint("key", i%6), fmt.Sprint(i)))
	}
	where := map[string]int32{}
	for i, r := range k.send(t, at.To, sent...) {
		key := string(sent[i].Key)
		if p, ok := where[key]; ok && p != r.Partition {
			t.Errorf("%s went to partitions %d and %d", key, p, r.Partition)
		}
		where[key] = r.Partition
	}
	only := at.Read
	only.Partitions = []int32{2}
	for _, m := range k.read(t, only, brokers.ReadOptions{}) {
		if m.Partition != 2 {
			t.Errorf("read partition %d", m.Partition)
		}
	}
	ctx := bounded(t)
	p, err := k.Broker.Publisher(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	none := at.To
	none.Partition = new(int32(7))
	m := k.message("", "x")
	results, err := brokers.PublishAll(ctx, p, []brokers.Outgoing{{To: none, Message: &m}})
	if err != nil || results[0].Status != brokers.StatusRefused {
		t.Errorf("a partition that is not there gives %+v, %v", results, err)
	}
}

func times(t *testing.T, k Kafka) {
	at := k.Queue(t)
	m := k.message("", "x")
	m.Time = time.Date(2021, 5, 6, 7, 8, 9, int(123*time.Millisecond), time.UTC)
	keep := at.To
	keep.KeepTime = true
	k.send(t, at.To, m)
	k.send(t, keep, m)
	seen := k.read(t, at.Read, brokers.ReadOptions{})
	if since := time.Since(seen[0].Time); since < -time.Minute || since > time.Minute {
		t.Errorf("a new time is %v", seen[0].Time)
	}
	if !seen[1].Time.Equal(m.Time) || seen[1].TimeKind != brokers.TimeCreated {
		t.Errorf("a kept time is %v", seen[1].Time)
	}
}

func followed(t *testing.T, k Kafka) {
	at := k.topic(t, 1, nil)
	one := k.watch(t, at.Tap, brokers.TapOptions{}, nil)
	all := k.watch(t, brokers.Source{Kind: brokers.SourceAll}, brokers.TapOptions{}, nil)
	apply(t, k.Broker, brokers.Change{Kind: brokers.AlterTopic, Topic: brokers.TopicSpec{Name: at.To.Topic, Partitions: 2}})
	second := at.To
	second.Partition = new(int32(1))
	k.sendSoon(t, second, k.message("", "in the new partition"))
	one.saw(1)
	other := k.topic(t, 1, nil)
	k.sendSoon(t, other.To, k.message("", "in the new topic"))
	all.until("it sees both", func() bool {
		got := joined(all.messages)
		return strings.Contains(got, "new partition") && strings.Contains(got, "new topic")
	})
}

// sendSoon sends as soon as the cluster knows what was just made.
func (k Kafka) sendSoon(t *testing.T, to brokers.Target, m brokers.Message) {
	t.Helper()
	ctx := bounded(t)
	for {
		p, err := k.Broker.Publisher(ctx)
		if err != nil {
			t.Fatal(err)
		}
		results, err := brokers.PublishAll(ctx, p, []brokers.Outgoing{{To: to, Message: &m}})
		if err := errors.Join(err, p.Close()); err != nil {
			t.Fatal(err)
		}
		if results[0].Status == brokers.StatusConfirmed {
			return
		}
	}
}

func topicsChanged(t *testing.T, k Kafka) {
	at := k.topic(t, 1, map[string]*string{"retention.ms": new("3600000")})
	err := k.Broker.(brokers.Admin).Apply(bounded(t), brokers.Change{Kind: brokers.CreateTopic, Topic: brokers.TopicSpec{Name: at.To.Topic, Partitions: 1, Replicas: 1}})
	if err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("making it twice says %v", err)
	}
	apply(t, k.Broker, brokers.Change{Kind: brokers.AlterTopic, Topic: brokers.TopicSpec{Name: at.To.Topic, Partitions: 3,
		Configs: map[string]*string{"retention.ms": new("7200000"), "cleanup.policy": new("compact")}}})
	ctx := bounded(t)
	for {
		top, err := k.Broker.Topology(ctx)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(top.Topics, func(x brokers.Topic) bool { return x.Name == at.To.Topic })
		if i >= 0 && len(top.Topics[i].Partitions) == 3 && top.Topics[i].Configs["retention.ms"] == "7200000" && top.Topics[i].Compacted {
			if x := top.Topics[i]; x.Bytes == nil || x.Replicas != 1 || x.Partitions[2].Leader < 0 || len(top.Nodes) != 1 {
				t.Errorf("it is %+v", x)
			}
			return
		}
	}
}

// groupReset consumes with a group, looks at it, and moves it.
func groupReset(t *testing.T, k Kafka) {
	at := k.Queue(t)
	for i := range 10 {
		k.send(t, at.To, k.message("", fmt.Sprint(i)))
	}
	group := name("group")
	ctx := bounded(t)
	app, record := k.consume(t, at, group)
	if err := app.CommitRecords(ctx, record); err != nil {
		t.Fatal(err)
	}
	g := k.group(t, group)
	if g.State != "Stable" || len(g.Members) != 1 || !slices.Equal(g.Members[0].Assigned[at.To.Topic], []int32{0}) || g.Members[0].Host == "" ||
		g.Lag == nil || *g.Lag != 3 || g.Offsets[0].Committed == nil || *g.Offsets[0].Committed != 7 || g.Offsets[0].Member != g.Members[0].ID {
		t.Errorf("the group is %+v", g)
	}
	admin := k.Broker.(brokers.GroupAdmin)
	plan, err := admin.PlanReset(ctx, brokers.GroupReset{Group: group, Shift: -2})
	if err != nil || len(plan) != 1 || *plan[0].From != 7 || plan[0].To != 5 {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	var busy *brokers.BusyError
	if err := admin.Commit(ctx, group, plan); !errors.As(err, &busy) || len(busy.Members) != 1 {
		t.Errorf("a reset of a running group says %v", err)
	}
	if err := admin.DeleteGroup(ctx, group); !errors.As(err, &busy) {
		t.Errorf("the end of a running group says %v", err)
	}
	told := make(chan int, 100)
	waited := make(chan error, 1)
	go func() { waited <- admin.WaitEmpty(ctx, group, func(m []brokers.Member) { told <- len(m) }) }()
	<-told
	app.Close()
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	if err := admin.Commit(ctx, group, plan); err != nil {
		t.Fatal(err)
	}
	groupsCopied(t, k, at, group)
}

// groupsCopied copies, moves and deletes a group that is empty and five records behind.
func groupsCopied(t *testing.T, k Kafka, at Place, group string) {
	ctx, admin := bounded(t), k.Broker.(brokers.GroupAdmin)
	copied := name("copy")
	plan, err := admin.PlanReset(ctx, brokers.GroupReset{Group: copied, CopyOf: group})
	if err == nil {
		err = admin.Commit(ctx, copied, plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []string{group, copied} {
		if g := k.group(t, x); g.State != "Empty" || g.Lag == nil || *g.Lag != 5 {
			t.Errorf("after its reset group %s is %+v", x, g)
		}
	}
	plan, err = admin.PlanReset(ctx, brokers.GroupReset{Group: group, Topics: map[string][]int32{at.To.Topic: {0}}, To: brokers.Position{At: brokers.AtEnd}})
	if err != nil || len(plan) != 1 || plan[0].To != 10 {
		t.Errorf("to the end is %+v, %v", plan, err)
	}
	if err := errors.Join(admin.DeleteGroup(ctx, group), admin.DeleteGroup(ctx, copied)); err != nil {
		t.Error(err)
	}
}

// consume reads ten records with a group, and returns its consumer and the seventh.
func (k Kafka) consume(t *testing.T, at Place, group string) (app *kgo.Client, seventh *kgo.Record) {
	t.Helper()
	ctx := bounded(t)
	app = k.Client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(at.To.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.SessionTimeout(6*time.Second))
	for n := 0; n < 10; {
		app.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			if n++; r.Offset == 6 {
				seventh = r
			}
		})
		if ctx.Err() != nil {
			t.Fatal("the group does not consume")
		}
	}
	return app, seventh
}

// group is a group as the topology tells it.
func (k Kafka) group(t *testing.T, group string) brokers.Group {
	t.Helper()
	top, err := k.Broker.Topology(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(top.Groups, func(g brokers.Group) bool { return g.Name == group })
	if i < 0 {
		t.Fatalf("group %q is not listed", group)
	}
	return top.Groups[i]
}

func compacted(t *testing.T, k Kafka) {
	at := k.topic(t, 1, map[string]*string{"cleanup.policy": new("compact")})
	tombstone := brokers.Message{Kind: brokers.Kafka, Key: []byte("a")}
	k.send(t, at.To, k.message("a", "1"), k.message("b", "2"), tombstone)
	seen := k.read(t, at.Read, brokers.ReadOptions{})
	if len(seen) != 3 || seen[2].Body != nil || string(seen[2].Key) != "a" {
		t.Errorf("read %+v", seen)
	}
}

// leavesNoGroup checks that the cluster knows of no group after a tap and a read.
func leavesNoGroup(t *testing.T, k Kafka) {
	at := k.Queue(t)
	k.send(t, at.To, k.message("", "x"))
	before, err := k.Broker.Topology(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	w := k.watch(t, at.Tap, brokers.TapOptions{}, nil)
	k.send(t, at.To, k.message("", "y"))
	w.saw(1)
	k.read(t, at.Read, brokers.ReadOptions{})
	during, err := k.Broker.Topology(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(during.Groups) != len(before.Groups) {
		t.Errorf("the groups were %+v, and now %+v", before.Groups, during.Groups)
	}
}
