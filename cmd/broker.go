package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"msdev/runner"
)

// brokerOptions are the flags of `broker`. A port of -1 is the kind's own.
type brokerOptions struct {
	port, management int
	data             string
	verbose          bool
}

const inMemory = "memory"

func newBroker(a *app) *cobra.Command {
	var o brokerOptions
	c := &cobra.Command{
		Use:   "broker rabbitmq|kafka",
		Short: "Run a broker inside msdev, by itself",
		Long: `Run a broker inside msdev, by itself, until Ctrl-C: RabbitMQ's protocol (AMQP 0-9-1) with its management API, or Kafka's.

It listens on loopback only, and prints where. The user of RabbitMQ is guest, with the password guest.`,
		Example: `  msdev broker rabbitmq                        on 5672 and 15672, in memory
  msdev broker kafka --port 0 --data ./kafka   on a free port; what is in ./kafka stays`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{runner.BrokerRabbitMQ, runner.BrokerKafka},
		RunE:      func(_ *cobra.Command, args []string) error { return a.broker(args[0], o) },
	}
	flags := c.Flags()
	flags.IntVar(&o.port, "port", -1, "listen on this `port` of 127.0.0.1; 0 is a free one (default: 5672 or 9092)")
	flags.IntVar(&o.management, "management-port", -1, "the `port` of RabbitMQ's management API; 0 is a free one (default: 15672)")
	flags.StringVar(&o.data, "data", inMemory, "keep data in this `folder`; memory: it goes with the broker")
	flags.BoolVar(&o.verbose, "verbose", false, "say what happens, on stderr")
	return c
}

func (a *app) broker(kind string, o brokerOptions) error {
	c := brokerConfig{service: kind, log: slog.New(slog.DiscardHandler)}
	if o.verbose {
		c.log = slog.New(slog.NewTextHandler(a.err, nil))
	}
	if o.data != inMemory {
		dir, err := filepath.Abs(o.data)
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err != nil {
			return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("the folder of --data cannot be made: %v", err), Hint: "Name another one, or use --data memory.", Err: err}
		}
		c.dir = dir
	}
	if kind == runner.BrokerKafka && o.management >= 0 {
		return usageError("--management-port is RabbitMQ's: Kafka has none", "Leave it out.")
	}
	asked := []int{o.port, o.management}
	for i, port := range brokerPorts(kind) {
		at := port
		if asked[i] >= 0 {
			at = asked[i]
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(at)))
		if err != nil {
			c.close()
			return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("port %d of 127.0.0.1 cannot be opened: %v", at, err),
				Hint: fmt.Sprintf("End what listens there, or take another one: %s 0 takes a free one.", []string{"--port", "--management-port"}[i]), Err: err}
		}
		c.listeners = append(c.listeners, brokerListener{l, port})
	}
	ctx, stop := interruptible(context.Background())
	defer stop()
	run, err := openBroker(kind, c)
	if err != nil {
		return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("the broker cannot start: %v", err), Hint: "Name another folder by --data, or use --data memory.", Err: err}
	}
	for _, l := range c.listeners {
		printf(a.out, "%s\n", l.url(kind))
	}
	if err := run(ctx); err != nil {
		return err
	}
	return exitError(exitInterrupted)
}

// brokerConfig is what a broker gets that runs by itself.
type brokerConfig struct {
	service, dir string // without a folder it is in memory
	listeners    []brokerListener
	log          *slog.Logger
}

func (c *brokerConfig) close() {
	for _, l := range c.listeners {
		_ = l.Close()
	}
}

// brokerListener stands for one port of a broker, whichever it really has.
type brokerListener struct {
	net.Listener
	port int
}

// url is what a client takes.
func (l brokerListener) url(kind string) string {
	switch {
	case l.port == managementPort:
		return fmt.Sprintf("http://%s/", l.Addr())
	case kind == runner.BrokerRabbitMQ:
		return fmt.Sprintf("amqp://guest:guest@%s/", l.Addr())
	}
	return l.Addr().String()
}

// brokerPorts are the ports that a kind of broker has.
func brokerPorts(kind string) []int { return slices.Clone(brokerKinds()[kind].Ports) }
