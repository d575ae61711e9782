package cmd

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"msdev/brokers/embedded/amqp"
	"msdev/brokers/embedded/kafka"
	"msdev/runner"
	"msdev/runner/docker"
	"msdev/runner/embedded"
	"msdev/runner/process"
	"msdev/session"
)

// The names of the runtimes, as the placement of services has them.
const (
	onEngine = "docker"
	asBroker = embedded.Name
)

// wire is the one list of the runtimes that there are. want is what --runtime says.
func wire(ctx context.Context, p *runner.Project, want string) (session.Launch, error) {
	at, err := newPlacement(p, want)
	if err != nil {
		return session.Launch{}, err
	}
	launch := session.Launch{Of: at.of, Use: at.use, Check: at.check}
	if at.asksEngine(p) {
		engine, err := docker.New(ctx, p, docker.Options{})
		if err == nil {
			at.launched[onEngine] = true
			launch.Runtimes = append(launch.Runtimes, engine)
		} else if err = at.withoutEngine(p, err); err != nil {
			return session.Launch{}, err
		}
	}
	at.resolve()
	launch.Notes = at.notes
	if !at.native(p) {
		return launch, nil
	}
	at.launched[runner.Native], at.launched[asBroker] = true, true
	dir, err := session.StateDir(p.Name)
	if err != nil {
		return session.Launch{}, err
	}
	brokers, err := embedded.New(p, embedded.Options{StateDir: dir, Kinds: brokerKinds(), Of: at.broker})
	if err != nil {
		return session.Launch{}, err
	}
	peer := func(service string, port int) (string, bool) {
		if at.of(service) == onEngine {
			return at.published(service, port)
		}
		return brokers.Address(service, port)
	}
	processes, err := process.New(p, process.Options{StateDir: dir, Native: func(service string) bool { return at.of(service) == runner.Native }, Peer: peer})
	if err != nil {
		return session.Launch{}, err
	}
	launch.Runtimes = append(launch.Runtimes, processes, brokers)
	return launch, nil
}

// brokerKinds are the brokers that run inside msdev.
func brokerKinds() map[string]embedded.Kind {
	return map[string]embedded.Kind{
		runner.BrokerRabbitMQ: {Ports: []int{5672, managementPort}, Serves: func(int) bool { return false }, Open: openRabbitMQ},
		runner.BrokerKafka:    {Ports: []int{9092}, Serves: func(port int) bool { return !besideKafka[port] }, Open: openKafka},
	}
}

// managementPort is that of RabbitMQ's management API.
const managementPort = 15672

// besideKafka are ports of Kafka's and Redpanda's images that do not speak Kafka's protocol: schema registry, proxy, ZooKeeper,
// JMX, administration.
var besideKafka = map[int]bool{8081: true, 8082: true, 2181: true, 9101: true, 9644: true}

func openRabbitMQ(c embedded.Config) (func(context.Context) error, error) {
	o := amqp.Options{Dir: c.Dir, Logger: c.Logger}
	if user := c.Environment["RABBITMQ_DEFAULT_USER"]; user != "" {
		o.Users = map[string]string{user: c.Environment["RABBITMQ_DEFAULT_PASS"]}
	}
	if vhost := c.Environment["RABBITMQ_DEFAULT_VHOST"]; vhost != "" {
		o.Vhosts = []string{vhost}
	}
	b, err := amqp.Open(o)
	if err != nil {
		for _, l := range c.Listeners {
			_ = l.Close()
		}
		return nil, err
	}
	return func(ctx context.Context) error { return runRabbitMQ(ctx, b, c) }, nil
}

// runRabbitMQ serves all listeners until ctx ends or one fails.
func runRabbitMQ(ctx context.Context, b *amqp.Broker, c embedded.Config) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for _, l := range c.Listeners {
		c.Logger.Info("listening", "port", l.Port, "address", l.Addr().String())
		work.Go(func() {
			if l.Port == managementPort {
				cancel(serveHTTP(ctx, l, b.Management()))
				return
			}
			cancel(b.Serve(ctx, l))
		})
	}
	<-ctx.Done()
	err := b.Close()
	work.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, l embedded.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func openKafka(c embedded.Config) (func(context.Context) error, error) {
	o := kafka.Options{Dir: c.Dir, Logger: c.Logger, NoAutoCreate: c.Environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"}
	o.Partitions, _ = strconv.Atoi(c.Environment["KAFKA_NUM_PARTITIONS"]) // what is no number is the default
	for _, l := range c.Listeners {
		o.Listeners = append(o.Listeners, kafka.Listener{Listener: l})
	}
	b, err := kafka.Open(o)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		<-ctx.Done()
		return b.Close()
	}, nil
}

// openBroker opens a broker that runs by itself.
func openBroker(kind string, c brokerConfig) (func(context.Context) error, error) {
	config := embedded.Config{Service: c.service, Dir: c.dir, Logger: c.log}
	for _, l := range c.listeners {
		config.Listeners = append(config.Listeners, embedded.Listener{Listener: l.Listener, Port: l.port})
	}
	return brokerKinds()[kind].Open(config)
}

// proposal is how a service could run as a process.
type proposal = process.Proposal

// propose looks at a build context for the program of a service.
func propose(dir, service string) (proposal, bool) { return process.Propose(dir, service) }

// written is the text of a compose file with proposals put into it.
func written(text []byte, of map[string]proposal) ([]byte, error) { return process.Write(text, of) }
