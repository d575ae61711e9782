package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"msdev/brokers"
	"msdev/brokers/embedded/amqp"
	embeddedkafka "msdev/brokers/embedded/kafka"
	"msdev/brokers/kafka"
	"msdev/brokers/rabbitmq"
	"msdev/runner"
	"msdev/runner/docker"
	"msdev/runner/docker/relay"
	"msdev/runner/embedded"
	"msdev/runner/front"
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
	w := &wiring{at: at, exposed: map[string][]int{}}
	w.book = front.NewBook(p.Name, w.dial)
	launch := session.Launch{Of: at.of, Use: w.use, Check: at.check, Dial: w.dial, Broker: brokerClient, Close: w.book.Close}
	if at.asksEngine(p) {
		if err := w.addEngine(ctx, p); err == nil {
			launch.Runtimes = append(launch.Runtimes, w.engine)
		} else if err = at.withoutEngine(p, err); err != nil {
			return session.Launch{}, err
		}
	}
	at.resolve()
	launch.Notes = at.notes
	if at.native(p) {
		added, err := w.addNative(p)
		if err != nil {
			return session.Launch{}, errors.Join(err, w.close())
		}
		launch.Runtimes = append(launch.Runtimes, added...)
	}
	return launch, nil
}

// brokerClient is the one list of the clients of brokers that there are.
func brokerClient(spec session.BrokerSpec) (brokers.Broker, error) {
	trust, err := spec.TLS.Config()
	if err != nil {
		return nil, err
	}
	if spec.Kind == brokers.Kafka {
		return kafka.New(kafka.Options{Name: spec.Name, Service: spec.Service, Own: spec.Own, URL: spec.URL, TLS: trust, Dial: spec.Dial})
	}
	return rabbitmq.New(rabbitmq.Options{Name: spec.Name, Service: spec.Service, Own: spec.Own, URL: spec.URL, TLS: trust, Management: spec.Management, Dial: spec.Dial, Note: spec.Note})
}

// wiring joins the runtimes of one session: each finds the services of the others.
type wiring struct {
	at   *placement
	book *front.Book

	mu        sync.Mutex
	engine    *docker.Runtime   // nil while nothing runs there
	processes *process.Runtime  // nil while everything runs on the engine, as is brokers
	brokers   *embedded.Runtime //
	exposed   map[string][]int  // services outside the engine that are started, with their ports
}

func (w *wiring) runtimes() (*docker.Runtime, *process.Runtime, *embedded.Runtime) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engine, w.processes, w.brokers
}

// addEngine connects to the engine.
func (w *wiring) addEngine(ctx context.Context, p *runner.Project) error {
	engine, err := docker.New(ctx, p, docker.Options{Hand: w.hand, Starts: w.book.Opens})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.engine = engine
	exposed := maps.Clone(w.exposed)
	w.mu.Unlock()
	for service, ports := range exposed { // its containers will ask for what runs already
		if err := engine.Expose(ctx, service, ports); err != nil {
			return errors.Join(err, engine.Close())
		}
	}
	return nil
}

// addNative makes what runs without the engine.
func (w *wiring) addNative(p *runner.Project) ([]runner.Runtime, error) {
	dir, err := session.StateDir(p.Name)
	if err != nil {
		return nil, err
	}
	brokers, err := embedded.New(p, embedded.Options{StateDir: dir, Kinds: brokerKinds(), Of: w.at.broker, Book: w.book, Expose: w.expose, Withdraw: w.withdraw})
	if err != nil {
		return nil, err
	}
	processes, err := process.New(p, process.Options{StateDir: dir, Native: func(service string) bool { return w.at.of(service) == runner.Native },
		Peer: w.peer, Book: w.book, Expose: w.expose, Withdraw: w.withdraw})
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes, w.brokers = processes, brokers
	return []runner.Runtime{processes, brokers}, nil
}

// use goes on with the project read again, and returns the runtimes that it needs and that there were not.
func (w *wiring) use(ctx context.Context, p *runner.Project) ([]runner.Runtime, error) {
	engine, processes, _ := w.runtimes()
	var added []runner.Runtime
	if engine == nil && w.at.needsContainers(p) {
		if err := w.addEngine(ctx, p); err != nil {
			return nil, err
		}
		engine, _, _ = w.runtimes()
		added = append(added, engine)
	}
	w.at.use(p)
	if processes == nil && w.at.native(p) {
		native, err := w.addNative(p)
		if err != nil {
			return added, err
		}
		added = append(added, native...)
	}
	return added, nil
}

func (w *wiring) close() error {
	engine, _, _ := w.runtimes()
	err := w.book.Close()
	if engine != nil {
		err = errors.Join(err, engine.Close())
	}
	return err
}

// peer is where processes reach a service that is none: always the same place, wherever it runs.
func (w *wiring) peer(service string, port int) (string, bool) {
	_, _, brokers := w.runtimes()
	if port <= 0 {
		return "", false
	}
	if w.at.of(service) != onEngine {
		return brokers.Address(service, port)
	}
	addr, err := w.book.Open(service, port)
	if err != nil { // somebody else has taken it
		w.book.Renew(service, port)
		addr, err = w.book.Open(service, port)
	}
	return addr, err == nil
}

// dial connects to a port of a service, wherever it runs.
func (w *wiring) dial(ctx context.Context, service string, port int) (net.Conn, error) {
	engine, processes, brokers := w.runtimes()
	switch where := w.at.of(service); {
	case where == onEngine && engine != nil:
		return engine.Dial(ctx, service, port)
	case where == runner.Native && processes != nil:
		return front.To(processes.Address(service, port))(ctx)
	case where == asBroker && brokers != nil:
		if addr, ok := brokers.Address(service, port); ok {
			return front.To(addr)(ctx)
		}
	}
	return nil, fmt.Errorf("service %q has no port %d", service, port)
}

// hand gives a connection from a container to the service that it is for.
func (w *wiring) hand(service string, port int, conn net.Conn) {
	if _, _, brokers := w.runtimes(); brokers != nil && w.at.of(service) == asBroker {
		brokers.Pass(service, port, conn)
		return
	}
	to, err := w.dial(context.Background(), service, port)
	if err != nil {
		_ = conn.Close()
		return
	}
	front.Join(conn, to)
}

// expose makes a service that is about to start known to containers.
func (w *wiring) expose(ctx context.Context, service string, ports []int) error {
	w.mu.Lock()
	w.exposed[service] = ports
	engine := w.engine
	w.mu.Unlock()
	if engine == nil {
		return nil
	}
	return engine.Expose(ctx, service, ports)
}

func (w *wiring) withdraw(ctx context.Context, service string) error {
	w.mu.Lock()
	delete(w.exposed, service)
	engine := w.engine
	w.mu.Unlock()
	if engine == nil {
		return nil
	}
	return engine.Withdraw(ctx, service)
}

// relayVerb and eraserVerb are what this program is told to do in containers of its own.
const (
	relayVerb  = docker.RelayVerb
	eraserVerb = docker.EraserVerb
)

func runEraser(in io.Reader, out io.Writer) error { return docker.Erase(in, out) }

func runRelay(ctx context.Context, in io.Reader, out io.WriteCloser) error {
	return relay.Program(ctx, in, out)
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
	var err error
	if c.Files != nil {
		var missing []string
		missing, err = o.Configure(c.Files)
		for _, path := range missing {
			c.Logger.Warn("definitions are not there: nothing is mounted at their path", "path", path)
		}
	}
	var b *amqp.Broker
	if err == nil {
		b, err = amqp.Open(o)
	}
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
	o := embeddedkafka.Options{Dir: c.Dir, Logger: c.Logger, NoAutoCreate: c.Environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"}
	o.Partitions, _ = strconv.Atoi(c.Environment["KAFKA_NUM_PARTITIONS"]) // what is no number is the default
	for _, l := range c.Listeners {
		o.Listeners = append(o.Listeners, embeddedkafka.Listener{Listener: l})
	}
	b, err := embeddedkafka.Open(o)
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

// remains are the projects that the engine has containers of.
func remains(ctx context.Context) ([]runner.Remains, error) {
	return docker.Remains(ctx, docker.Options{})
}

// outlined is the compose file of a project as far as the engine can tell it.
func outlined(ctx context.Context, project string) (string, error) {
	return docker.Outline(ctx, project, docker.Options{})
}

// proposal is how a service could run as a process.
type proposal = process.Proposal

// propose looks at a build context for the program of a service.
func propose(dir, service string) (proposal, bool) { return process.Propose(dir, service) }

// written is the text of a compose file with proposals put into it.
func written(text []byte, of map[string]proposal) ([]byte, error) { return process.Write(text, of) }
