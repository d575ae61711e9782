package amqp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"msdev/brokers/embedded/amqp"
)

// childVar makes this test binary a broker with its data in the folder named, so that it can be killed.
const childVar = "MSDEV_AMQP_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

// child serves until it is killed, or its standard input ends with its parent.
func child(dir string) error {
	b, err := amqp.Open(amqp.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println(l.Addr())
	return errors.Join(b.Serve(ctx, l), b.Close())
}

// startChild returns the address of a broker in a process of its own, and what kills it.
func startChild(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = stdin.Close()
	})
	t.Cleanup(kill)
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "amqp://guest:guest@" + strings.TrimSpace(addr) + "/", kill
}

// start runs a broker in this process.
func start(t *testing.T, o amqp.Options) (*amqp.Broker, string) {
	t.Helper()
	b, err := amqp.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, b.Close()); err != nil {
			t.Error(err)
		}
	})
	return b, "amqp://guest:guest@" + l.Addr().String() + "/"
}

func channel(t *testing.T, url string) *client.Channel {
	t.Helper()
	conn, err := client.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func persistent(body string) client.Publishing {
	return client.Publishing{DeliveryMode: client.Persistent, Body: []byte(body)}
}

// TestConfirmedMessagesSurviveKill publishes until the broker is killed, and finds every confirmed message again, in
// order, several times over.
func TestConfirmedMessagesSurviveKill(t *testing.T) {
	dir := t.TempDir()
	confirmed := 0
	for range 3 {
		confirmed = publishUntilKilled(t, dir, confirmed)
	}
	url, _ := startChild(t, dir)
	ch := channel(t, url)
	for i := range confirmed {
		d, ok, err := ch.Get("q", true)
		must(t, err)
		if !ok || string(d.Body) != fmt.Sprint(i) {
			t.Fatalf("message %d of %d: %q, there: %v", i, confirmed, d.Body, ok)
		}
	}
}

// publishUntilKilled numbers on where the queue ends, kills the broker after 500 confirms, and returns how many
// messages are confirmed in all.
func publishUntilKilled(t *testing.T, dir string, confirmed int) int {
	t.Helper()
	url, kill := startChild(t, dir)
	ch := channel(t, url)
	must(t, ch.Confirm(false))
	q, err := ch.QueueDeclare("q", true, false, false, false, nil)
	must(t, err)
	if q.Messages < confirmed {
		t.Fatalf("%d messages, %d were confirmed", q.Messages, confirmed)
	}
	acks := ch.NotifyPublish(make(chan client.Confirmation, 4096))
	go func() {
		for i := q.Messages; ; i++ {
			if ch.PublishWithContext(t.Context(), "", "q", false, false, persistent(fmt.Sprint(i))) != nil {
				return
			}
		}
	}()
	n := 0
	for a := range acks {
		if a.Ack {
			n++
		}
		if n == 500 {
			kill()
		}
	}
	return q.Messages + n
}

// crowd is many clients of one queue, who publish and consume until all was received.
type crowd struct {
	t        *testing.T
	url      string
	each     int
	total    int64
	seen     sync.Map
	received atomic.Int64
	done     chan struct{}
}

// member publishes its share, and consumes what it gets.
func (c *crowd) member(n int) error {
	conn, err := client.Dial(c.url)
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(5, 0, false); err != nil {
		return err
	}
	in, err := ch.Consume("shared", "", false, false, false, false, nil)
	for i := range c.each {
		p := client.Publishing{DeliveryMode: uint8(1 + n%2), Body: fmt.Appendf(nil, "%d-%d", n, i)}
		err = errors.Join(err, ch.PublishWithContext(c.t.Context(), "", "shared", false, false, p))
	}
	for err == nil {
		select {
		case d := <-in:
			err = c.receive(d)
		case <-c.done:
			return nil
		}
	}
	return err
}

func (c *crowd) receive(d client.Delivery) error {
	if _, twice := c.seen.LoadOrStore(string(d.Body), true); twice {
		c.t.Errorf("%s came twice", d.Body)
	}
	if c.received.Add(1) == c.total {
		defer close(c.done)
	}
	return d.Ack(false)
}

// TestManyConnections has hundreds of clients publish and consume at once: nothing is lost or doubled.
func TestManyConnections(t *testing.T) {
	const clients, each = 300, 30
	_, url := start(t, amqp.Options{Dir: t.TempDir()})
	admin := channel(t, url)
	_, err := admin.QueueDeclare("shared", true, false, false, false, nil)
	must(t, err)
	c := crowd{t: t, url: url, each: each, total: clients * each, done: make(chan struct{})}
	var running sync.WaitGroup
	for n := range clients {
		running.Go(func() {
			if err := c.member(n); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	q, err := admin.QueueDeclarePassive("shared", true, false, false, false, nil)
	must(t, err)
	if q.Messages != 0 || q.Consumers != 0 {
		t.Errorf("left: %+v", q)
	}
}

// TestDeepQueueLeavesMemory publishes more than fits the memory limit into a queue without consumers: with a folder
// nothing blocks, and all of it comes back.
func TestDeepQueueLeavesMemory(t *testing.T) {
	_, url := start(t, amqp.Options{Dir: t.TempDir(), MemoryLimit: 48 << 20})
	ch := channel(t, url)
	must(t, ch.Confirm(false))
	_, err := ch.QueueDeclare("deep", false, false, false, false, nil)
	must(t, err)
	const n, size = 2000, 64 << 10 // 128 MB
	body := make([]byte, size)
	for i := range n {
		body[0], body[1] = byte(i), byte(i>>8)
		c, err := ch.PublishWithDeferredConfirm("", "deep", false, false, client.Publishing{Body: body})
		must(t, err)
		if i%100 == 99 && !c.Wait() {
			t.Fatal("refused")
		}
	}
	in, err := ch.Consume("deep", "", true, false, false, false, nil)
	must(t, err)
	for i := range n {
		d := <-in
		if len(d.Body) != size || d.Body[0] != byte(i) || d.Body[1] != byte(i>>8) {
			t.Fatalf("message %d is another, of %d octets", i, len(d.Body))
		}
	}
}

// TestMemoryLimitBlocksPublishers has no folder: publishers are told, wait, and go on when there is room.
func TestMemoryLimitBlocksPublishers(t *testing.T) {
	_, url := start(t, amqp.Options{MemoryLimit: 1 << 20})
	ch, other := channel(t, url), channel(t, url)
	conn, err := client.Dial(url)
	must(t, err)
	defer conn.Close()
	blocked := conn.NotifyBlocked(make(chan client.Blocking, 8))
	_, err = ch.QueueDeclare("q", false, false, false, false, nil)
	must(t, err)
	published := make(chan error, 1)
	go func() {
		var err error
		for range 30 {
			err = errors.Join(err, ch.PublishWithContext(t.Context(), "", "q", false, false, client.Publishing{Body: make([]byte, 64<<10)}))
		}
		published <- err
	}()
	if b := <-blocked; !b.Active {
		t.Fatalf("got %+v", b)
	}
	in, err := other.Consume("q", "", true, false, false, false, nil)
	must(t, err)
	for range 30 {
		<-in
	}
	must(t, <-published)
	if b := <-blocked; b.Active {
		t.Fatalf("got %+v", b)
	}
}

// TestCloseTellsClients expects CONNECTION_FORCED, and no goroutine that stays.
func TestCloseTellsClients(t *testing.T) {
	b, url := start(t, amqp.Options{})
	conn, err := client.Dial(url)
	must(t, err)
	closed := conn.NotifyClose(make(chan *client.Error, 1))
	must(t, b.Close())
	if e := <-closed; e == nil || e.Code != client.ConnectionForced {
		t.Fatalf("got %v", e)
	}
	if _, err := client.DialConfig(url, client.Config{Dial: client.DefaultDial(time.Second)}); err == nil {
		t.Fatal("a closed broker took a connection")
	}
}

// TestOtherProtocols get the header of the one that is spoken here.
func TestOtherProtocols(t *testing.T) {
	_, url := start(t, amqp.Options{})
	addr := strings.TrimSuffix(strings.TrimPrefix(url, "amqp://guest:guest@"), "/")
	for _, hello := range []string{"AMQP\x00\x01\x00\x00", "GET / HT", "\x16\x03\x01\x00\x00\x00\x00\x00"} {
		nc, err := net.Dial("tcp", addr)
		must(t, err)
		_, err = nc.Write([]byte(hello))
		must(t, err)
		got, err := io.ReadAll(nc)
		if string(got) != "AMQP\x00\x00\x09\x01" || err != nil {
			t.Errorf("%q: got %q, %v", hello, got, err)
		}
		_ = nc.Close()
	}
}
