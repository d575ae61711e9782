package brokers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"msdev/brokers"
	"msdev/brokers/rabbitmq"
)

func TestMain(m *testing.M) {
	if address := os.Getenv("MSDEV_TEST_REDRIVE"); address != "" {
		if err := redriveUntilKilled(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// redriveUntilKilled is what a process of its own does for TestRedriveOutlivesItsProcess: it tells each outcome.
func redriveUntilKilled(address string) error {
	b, err := rabbitmq.New(rabbitmq.Options{Name: "rabbit", Own: true, URL: address})
	if err != nil {
		return err
	}
	r := redrive(b, os.Args[len(os.Args)-2], os.Args[len(os.Args)-1])
	r.Pace = brokers.Pace{Rate: 500}
	_, err = r.Run(context.Background(), new(brokers.Control), func(o brokers.Outcome) { fmt.Println(string(o.Found.Body)) })
	return errors.Join(err, b.Close())
}

func redrive(b brokers.Broker, dead, journal string) *brokers.Redrive {
	return &brokers.Redrive{
		Replay: brokers.Replay{To: b, Target: brokers.Mapping{Kind: brokers.ToOrigin}},
		Broker: b, Source: brokers.Source{Kind: brokers.SourceQueue, Name: dead}, Journal: journal,
	}
}

func TestRedriveEmbedded(t *testing.T)    { redrives(t, embeddedRabbit(t)) }
func TestRedriveRabbitMQ310(t *testing.T) { t.Parallel(); redrives(t, realRabbit(t, "3.10")) }
func TestRedriveRabbitMQ40(t *testing.T)  { t.Parallel(); redrives(t, realRabbit(t, "4.0")) }

func redrives(t *testing.T, r rabbit) {
	for _, kind := range []brokers.QueueType{brokers.ClassicQueue, brokers.QuorumQueue} {
		t.Run(string(kind)+", wanted ones go back and others stay", func(t *testing.T) { wantedGoBack(t, r, kind) })
	}
	t.Run("what cannot be routed stays", func(t *testing.T) { unroutableStays(t, r) })
	t.Run("what dies again is left", func(t *testing.T) { diesAgain(t, r) })
	t.Run("abort and go on", func(t *testing.T) { abortAndGoOn(t, r) })
	t.Run("a killed process", func(t *testing.T) { outlivesItsProcess(t, r) })
	if r.kill != nil { // one inside this process cannot be killed alone
		t.Run("a killed broker", func(t *testing.T) { outlivesItsBroker(t, r) })
	}
	t.Run("pick one", func(t *testing.T) { pickOne(t, r) })
	t.Run("purge and undo", func(t *testing.T) { purgeAndUndo(t, r) })
}

func (r rabbit) dead(t *testing.T, kind brokers.QueueType, n int) letters {
	t.Helper()
	l := r.letters(t, kind)
	send(t, r, brokers.Target{Exchange: l.exchange, RoutingKey: "placed"}, numbered(brokers.RabbitMQ, n)...)
	r.die(t, l)
	return l
}

func wantedGoBack(t *testing.T, r rabbit, kind brokers.QueueType) {
	l := r.dead(t, kind, 20)
	journal := filepath.Join(t.TempDir(), "redrive")
	d := redrive(r, l.dead, journal)
	d.Filter = func(m *brokers.Message) (bool, error) { n, err := strconv.Atoi(string(m.Body)); return n%2 == 0, err }
	var outcomes []brokers.Outcome
	p, err := d.Run(bounded(t), new(brokers.Control), func(o brokers.Outcome) { outcomes = append(outcomes, o) })
	if err != nil || p.Read != 20 || p.Confirmed != 10 || len(outcomes) != 10 {
		t.Fatalf("%+v %v", p, err)
	}
	if o, ok := brokers.OriginOf(outcomes[0].Found); !ok || o.Queue != l.queue || o.Target.Exchange != l.exchange || o.Reason != "rejected" || o.Count != 1 {
		t.Errorf("origin %+v", o)
	}
	back := r.drain(t, l.queue)
	if got := strings.Join(bodies(back), " "); got != "0 2 4 6 8 10 12 14 16 18" {
		t.Errorf("back: %s", got)
	}
	for _, m := range back {
		if _, is := m.Header("x-death"); is || m.RoutingKey != "placed" || m.Exchange != l.exchange || m.Properties.DeliveryMode != 2 {
			t.Errorf("%+v", m)
		}
	}
	if stayed := times(r.drain(t, l.dead)); len(stayed) != 10 || stayed["1"] != 1 {
		t.Errorf("stayed: %v", stayed)
	}
	if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is still there: %v", err)
	}
}

func unroutableStays(t *testing.T, r rabbit) {
	l := r.dead(t, brokers.ClassicQueue, 3)
	d := redrive(r, l.dead, "")
	d.Target = brokers.Mapping{Kind: brokers.ToOther, Exchange: "amq.topic", RoutingKey: new("nobody.listens")}
	p, err := d.Run(bounded(t), new(brokers.Control), nil)
	if err != nil || p.Unroutable != 3 || p.Confirmed != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if got := bodies(r.drain(t, l.dead)); !reflect.DeepEqual(got, []string{"0", "1", "2"}) {
		t.Errorf("stayed: %v", got)
	}
}

func diesAgain(t *testing.T, r rabbit) {
	l := r.dead(t, brokers.ClassicQueue, 30)
	grave := name("grave")
	r.apply(t, brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: grave, Durable: true, Type: brokers.ClassicQueue,
		Arguments: brokers.Arguments{"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": l.dead}}})
	d := redrive(r, l.dead, "")
	d.Target = brokers.Mapping{Kind: brokers.ToQueue, Queue: grave}
	if look, err := d.Rehearse(bounded(t), 1000, 3); err != nil || look.Count != 30 || look.Targets["queue "+grave] != 30 || len(look.Sample) != 3 {
		t.Errorf("%+v %v", look, err)
	}
	d.Pace = brokers.Pace{Rate: 1000} // so that they die while it runs
	if p, err := d.Run(bounded(t), new(brokers.Control), nil); err != nil || p.Confirmed != 30 {
		t.Errorf("%+v %v", p, err)
	}
	r.awaitReady(t, l.dead, 30)
}

func abortAndGoOn(t *testing.T, r rabbit) {
	const n = 200
	l := r.dead(t, brokers.ClassicQueue, n)
	journal := filepath.Join(t.TempDir(), "redrive")
	ctx, abort := context.WithCancel(bounded(t))
	defer abort()
	p, err := redrive(r, l.dead, journal).Run(ctx, steps(80), after(50, abort))
	if !errors.Is(err, context.Canceled) || p.Confirmed < 50 || p.Confirmed > 80 || p.Sent != p.Confirmed {
		t.Fatalf("%+v %v", p, err)
	}
	again, err := redrive(r, l.dead, journal).Run(bounded(t), new(brokers.Control), nil)
	if err != nil || again.Confirmed+p.Confirmed != n {
		t.Errorf("%+v then %+v %v", p, again, err)
	}
	if back := r.drain(t, l.queue); len(back) != n || len(times(back)) != n {
		t.Errorf("%d came back, %d of them different", len(back), len(times(back)))
	}
}

func outlivesItsProcess(t *testing.T, r rabbit) {
	const n = 300
	l := r.dead(t, brokers.ClassicQueue, n)
	journal := filepath.Join(t.TempDir(), "redrive")
	child := exec.Command(os.Args[0], l.dead, journal)
	child.Env = append(os.Environ(), "MSDEV_TEST_REDRIVE="+r.url)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for lines := bufio.NewScanner(out); len(told) < 80 && lines.Scan(); {
		told[lines.Text()] = true
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if child.Wait() == nil || len(told) < 80 {
		t.Fatalf("it ended by itself, after %d", len(told))
	}
	d := redrive(r, l.dead, journal)
	var p brokers.Progress
	for ctx := bounded(t); ; { // the broker may see a moment later than we that the process is gone
		again, err := d.Run(bounded(t), new(brokers.Control), nil)
		if err != nil {
			t.Fatal(err)
		}
		p.Confirmed, p.Skipped = p.Confirmed+again.Confirmed, p.Skipped+again.Skipped
		if r.ready(t, l.queue) >= n || ctx.Err() != nil {
			break
		}
	}
	back := times(r.drain(t, l.queue))
	for i := range n {
		body := strconv.Itoa(i)
		if back[body] == 0 || back[body] > 1 && told[body] {
			t.Errorf("message %d came back %d times; told before the kill: %v", i, back[body], told[body])
		}
	}
	t.Logf("told %d before the kill, then %+v", len(told), p)
	if left := r.drain(t, l.dead); len(left) != 0 {
		t.Errorf("%d are left", len(left))
	}
}

func outlivesItsBroker(t *testing.T, r rabbit) {
	const n = 1500
	l := r.letters(t, brokers.QuorumQueue)
	r.restart(t) // RabbitMQ may forget a quorum queue that was declared seconds before a kill
	// Dead-lettering may lose some of so many at once, so these are published, which the broker confirms.
	send(t, r, brokers.Target{RoutingKey: l.dead}, numbered(brokers.RabbitMQ, n)...)
	d := redrive(r, l.dead, filepath.Join(t.TempDir(), "redrive"))
	d.Target = brokers.Mapping{Kind: brokers.ToOther, Exchange: l.exchange, RoutingKey: new("placed")}
	d.Pace, d.Patience = brokers.Pace{Rate: 1000}, patience
	killed := make(chan struct{})
	twice := map[string]bool{}
	p, err := d.Run(bounded(t), new(brokers.Control), func(o brokers.Outcome) {
		if o.Again > 0 {
			twice[string(o.Found.Body)] = true
		}
		if o.N == 100 && o.Again == 0 {
			go func() { // it goes on sending meanwhile
				defer close(killed)
				r.kill(t)
			}()
		}
	})
	<-killed
	if err != nil {
		t.Fatalf("%+v %v", p, err)
	}
	t.Logf("%+v", p)
	back := times(r.drain(t, l.queue))
	for i := range n {
		body := strconv.Itoa(i)
		if back[body] == 0 || back[body] > 1 && !twice[body] {
			t.Errorf("message %d came back %d times; may be twice: %v", i, back[body], twice[body])
		}
	}
	if left := r.drain(t, l.dead); len(left) != 0 {
		t.Errorf("%d are left: %s", len(left), strings.Join(bodies(left), " "))
	}
}

func is(body string) func(*brokers.Message) bool {
	return func(m *brokers.Message) bool { return string(m.Body) == body }
}

func pickOne(t *testing.T, r rabbit) {
	l := r.letters(t, brokers.ClassicQueue)
	send(t, r, brokers.Target{RoutingKey: l.queue}, numbered(brokers.RabbitMQ, 6)...)
	pick := brokers.Pick{From: r, Queue: l.queue, Want: is("2"), Do: brokers.Delete}
	if got, err := pick.Run(bounded(t)); err != nil || !got.Found || got.Disturbed != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	pick.Want, pick.Do = is("4"), brokers.Move(brokers.Replay{To: r, Target: brokers.Mapping{Kind: brokers.ToOther, RoutingKey: &l.dead}})
	if got, err := pick.Run(bounded(t)); err != nil || !got.Found || got.Disturbed != 3 {
		t.Fatalf("%+v %v", got, err)
	}
	pick.Want, pick.Do = is("0"), brokers.Move(brokers.Replay{To: r, Target: brokers.Mapping{Kind: brokers.ToOther, RoutingKey: new("no.such.queue")}})
	if _, err := pick.Run(bounded(t)); err == nil || !strings.Contains(err.Error(), "it stays where it is") {
		t.Errorf("moved to nowhere: %v", err)
	}
	pick.Want = brokers.SameAs(&brokers.Message{})
	if got, err := pick.Run(bounded(t)); err != nil || got.Found || got.Disturbed != 4 {
		t.Errorf("%+v %v", got, err)
	}
	if got := bodies(r.drain(t, l.queue)); !reflect.DeepEqual(got, []string{"0", "1", "3", "5"}) {
		t.Errorf("left in the queue: %v", got)
	}
	if got := bodies(r.drain(t, l.dead)); !reflect.DeepEqual(got, []string{"4"}) {
		t.Errorf("moved: %v", got)
	}
}

func purgeAndUndo(t *testing.T, r rabbit) {
	l := r.dead(t, brokers.ClassicQueue, 700)
	backup := filepath.Join(t.TempDir(), "backup.jsonl.zst")
	p := brokers.Purge{From: r, Source: brokers.Source{Kind: brokers.SourceQueue, Name: l.dead}, N: 600, Backup: backup}
	if n, err := p.Run(bounded(t)); err != nil || n != 600 {
		t.Fatalf("%d %v", n, err)
	}
	if n := r.ready(t, l.dead); n != 100 {
		t.Errorf("%d are left", n)
	}
	saved := load(t, backup)
	files, err := brokers.OpenMessages(backup)
	if err != nil {
		t.Fatal(err)
	}
	undo := brokers.Undo(r, brokers.FromFile(files))
	if p, err := undo.Run(bounded(t), new(brokers.Control), nil); err != nil || p.Confirmed != 600 {
		t.Fatalf("%+v %v", p, err)
	}
	back := r.drain(t, l.dead)
	if len(back) != 700 || string(back[100].Body) != "0" {
		t.Fatalf("%d are back, with %s", len(back), back[100].Body)
	}
	was, now := saved[5], back[105]
	if was.Properties.Has != now.Properties.Has || string(was.Body) != string(now.Body) || was.Headers[0] != now.Headers[0] {
		t.Errorf("was %+v\nnow %+v", was, now)
	}
	p.Backup = backup
	if _, err := p.Run(bounded(t)); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a second purge wrote over the backup: %v", err)
	}
}
