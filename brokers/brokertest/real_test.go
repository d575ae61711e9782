package brokertest_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"msdev/brokers/rabbitmq"
	"msdev/testenv"
	testkafka "msdev/testenv/kafka"
)

func TestRabbitMQ310(t *testing.T) { realRabbitMQ(t, "3.10") }
func TestRabbitMQ40(t *testing.T)  { realRabbitMQ(t, "4.0") }

// realRabbitMQ runs the suite with the management API, with rabbitmqctl in its place, and with neither.
func realRabbitMQ(t *testing.T, line string) {
	t.Parallel()
	r := testenv.RabbitMQ(t, line)
	var mu sync.Mutex // held to read or change where it is
	at := func() testenv.Rabbit {
		mu.Lock()
		defer mu.Unlock()
		return r
	}
	kill := func(t *testing.T) {
		t.Helper()
		again := at()
		again.Restart(t, "kill")
		mu.Lock()
		defer mu.Unlock()
		r = again
	}
	address, management := r.AMQP, r.Management
	where := func() (string, string) { now := at(); return now.AMQP, "http://" + hostOf(t, now.Management) }
	sorts := line == "4.0"
	follow := follower(t, at)
	t.Run("with management", func(t *testing.T) {
		runRabbitMQ(t, newRabbitMQ(t, rabbitmq.Options{URL: address, Management: management, Dial: follow}), rig{where: where, managed: true, lists: true, sorts: sorts, kill: kill})
	})
	t.Run("with rabbitmqctl", func(t *testing.T) {
		ctl := func(ctx context.Context, args ...string) ([]byte, error) {
			cmd := exec.CommandContext(ctx, "docker", slices.Concat([]string{"--host", r.Host, "exec", r.Container, "rabbitmqctl"}, args)...)
			out, err := cmd.Output()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = errors.New(string(exit.Stderr))
			}
			return out, err
		}
		runRabbitMQ(t, newRabbitMQ(t, rabbitmq.Options{URL: address, Ctl: ctl, Dial: follow}), rig{where: where, lists: true, sorts: sorts, brief: true})
	})
	t.Run("without management", func(t *testing.T) {
		runRabbitMQ(t, newRabbitMQ(t, rabbitmq.Options{URL: address, Dial: follow}), rig{where: where, sorts: sorts})
	})
}

// follower dials where the container is now: after a restart it may have another address.
func follower(t *testing.T, at func() testenv.Rabbit) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	first := hostOf(t, at().AMQP)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		now := at()
		to := hostOf(t, now.Management)
		if address == first {
			to = hostOf(t, now.AMQP)
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
}

func hostOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		t.Error(err)
		return ""
	}
	return u.Host
}

func TestKafka41(t *testing.T) { realKafka(t, "4.1") }
func TestKafka28(t *testing.T) { realKafka(t, "2.8") }

func realKafka(t *testing.T, line string) {
	t.Parallel()
	k := killable(t, line)
	kill := k.kill
	if line == "2.8" {
		kill = nil // its ZooKeeper remembers a killed broker for longer than the next one waits
	}
	runKafka(t, k.address(), k.dial, kill)
}

// kafkas is a Kafka that can be killed and started again on the same data, each time on another port.
type kafkas struct {
	line testkafka.Line
	data string
	ctx  context.Context //nolint:containedctx // the brokers live as long as the test

	mu    sync.Mutex
	first string
	now   *testkafka.Broker
}

func killable(t *testing.T, line string) *kafkas {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k := &kafkas{line: testenv.KafkaDir(t, line), data: filepath.Join(t.TempDir(), "kafka"), ctx: ctx}
	k.start(t)
	k.first = k.now.Address
	t.Cleanup(func() {
		k.now.Kill()
		cancel()
	})
	return k
}

func (k *kafkas) start(t *testing.T) {
	t.Helper()
	b, err := k.line.Start(k.ctx, k.data)
	if err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = b
}

func (k *kafkas) kill(t *testing.T) {
	t.Helper()
	k.now.Kill()
	k.start(t)
}

func (k *kafkas) address() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now.Address
}

// dial reaches the broker that runs now, by whichever address a client knows.
func (k *kafkas) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, k.address())
}
