package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"msdev/brokers/embedded/amqp/store"
)

// Options say how a broker is set up. The zero value is a broker in memory with the user guest, password guest.
type Options struct {
	Dir         string            // where durable things are kept; empty: in memory only
	Logger      *slog.Logger      // nil: silent
	Users       map[string]string // passwords by name, all administrators; empty: guest/guest
	Vhosts      []string          // in addition to /
	Definitions [][]byte          // documents of /api/definitions to begin with, as JSON; where they have users, there is no guest
	MemoryLimit int64             // octets of message bodies above which publishers wait; 0: 256 MiB
	NodeName    string            // as clients see it; empty: msdev@localhost
}

const (
	defaultMemoryLimit = 256 << 20
	pageAbove          = 32 << 20 // with a Dir, bodies of deep queues leave memory above this
	pageDepth          = 256      // messages that stay in memory in each queue
	messageOverhead    = 256      // what a message costs beside its content, roughly

	// Publishers to queues with consumers are slowed down above slowAbove octets: every slowEvery messages they pause,
	// twice as long with each slowStep, so that consumers get the processor and backlogs stay small.
	slowAbove = 4 << 20
	slowStep  = 1 << 20
	slowEvery = 16
	slowMost  = 64 * time.Millisecond
)

var (
	errDamaged  = errors.New("the message in the log is damaged")
	errClosed   = errors.New("the client went away")
	errProtocol = errors.New("the client speaks another protocol than AMQP 0-9-1")
)

// shutdown is why connections are closed when the broker ends, in RabbitMQ's words.
const shutdown = "broker forced connection closure with reason 'shutdown'"

// Broker is an AMQP 0-9-1 broker.
type Broker struct {
	logger *slog.Logger
	limit  int64
	node   string
	start  time.Time
	log    *store.Log   // nil in memory
	table  *store.Table // nil in memory
	users  *users

	cancel  context.CancelFunc
	workers sync.WaitGroup

	memory  atomic.Int64 // octets of message content in memory
	pressed atomic.Bool  // above the limit
	homeMu  sync.Mutex
	home    uint64 // the last queue's number in the log
	homes   map[uint64]*queue

	mu      sync.RWMutex
	vhosts  map[string]*vhost
	conns   map[*conn]struct{}
	replies map[string]*channel // who waits for direct replies, by token
	relief  chan struct{}       // closed when memory is below the limit again
	ports   []net.Addr
	closed  bool
	metrics *metrics
}

// Open makes a broker, with what Options.Dir holds.
func Open(o Options) (*Broker, error) {
	b := &Broker{logger: o.Logger, limit: o.MemoryLimit, node: o.NodeName, start: time.Now(), users: newUsers(o.users()),
		homes: map[uint64]*queue{}, vhosts: map[string]*vhost{}, conns: map[*conn]struct{}{},
		replies: map[string]*channel{}, relief: make(chan struct{})}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	if b.limit <= 0 {
		b.limit = defaultMemoryLimit
	}
	if b.node == "" {
		b.node = "msdev@localhost"
	}
	for _, name := range append([]string{"/"}, o.Vhosts...) {
		b.vhosts[name] = newVhost(b, name)
	}
	if o.Dir != "" {
		if err := b.load(o.Dir); err != nil {
			return nil, err
		}
	}
	b.permitAll(o.Users)
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.metrics = newMetrics()
	b.workers.Go(func() { b.metrics.run(ctx, b) })
	if b.log != nil {
		b.workers.Go(func() { _ = b.log.Run(ctx) })
	}
	for _, text := range o.Definitions {
		if err := b.define(text); err != nil {
			return nil, errors.Join(fmt.Errorf("its definitions cannot be loaded: %w", err), b.Close())
		}
	}
	return b, nil
}

// permitAll lets the configured users do everything in every vhost where nothing else is set.
func (b *Broker) permitAll(configured map[string]string) {
	for _, u := range b.users.all() {
		if _, ok := configured[u.name]; ok || len(configured) == 0 && u.name == "guest" {
			for _, v := range b.allVhosts() {
				u.permitAll(v.name)
			}
		}
	}
}

// load restores definitions and messages.
func (b *Broker) load(dir string) error {
	table, err := store.OpenTable(filepath.Join(dir, "definitions"))
	if err != nil {
		return err
	}
	restorer{b}.restore(table)
	b.table = table
	alive := func(home uint64) bool { return b.homes[home] != nil }
	b.log, err = store.Open(filepath.Join(dir, "messages"), b.logger, alive, restorer{b}.recover)
	if err != nil {
		return errors.Join(err, table.Close())
	}
	for _, q := range b.homes {
		restorer{b}.ready(q)
	}
	b.homes = nil
	return nil
}

// Serve accepts connections until ctx ends or the broker closes.
func (b *Broker) Serve(ctx context.Context, l net.Listener) error {
	b.mu.Lock()
	b.ports = append(b.ports, l.Addr())
	b.mu.Unlock()
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || b.isClosed() {
				b.closeConns()
				return nil
			}
			return err
		}
		conns.Go(func() { b.serveConn(ctx, nc) })
	}
}

func (b *Broker) serveConn(ctx context.Context, nc net.Conn) {
	c := newConn(b, nc)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		_ = nc.Close()
		return
	}
	b.conns[c] = struct{}{}
	b.mu.Unlock()
	if ctx.Err() != nil { // too late for closeConns to see it
		c.force(shutdown)
	}
	c.serve()
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
}

func (b *Broker) isClosed() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.closed
}

// closeConns ends every connection with CONNECTION_FORCED.
func (b *Broker) closeConns() {
	for _, c := range b.connections() {
		c.force(shutdown)
	}
}

func (b *Broker) connections() []*conn {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]*conn, 0, len(b.conns))
	for c := range b.conns {
		list = append(list, c)
	}
	return list
}

// Close ends all connections with CONNECTION_FORCED and writes what is left to write. Serve returns when its
// listener is closed too, by its context or its owner.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	conns := b.connections()
	b.closeConns()
	for _, c := range conns {
		<-c.done
	}
	for _, v := range b.allVhosts() {
		for _, q := range v.allQueues() {
			q.clock.stopTimers()
		}
	}
	b.cancel()
	b.workers.Wait()
	if b.table != nil {
		return b.table.Close()
	}
	return nil
}

// Management is RabbitMQ's HTTP management API, as far as clients and tools use it.
func (b *Broker) Management() http.Handler { return newAPI(b) }

func (b *Broker) vhost(name string) *vhost {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.vhosts[name]
}

func (b *Broker) nextHome() uint64 {
	b.homeMu.Lock()
	defer b.homeMu.Unlock()
	b.home++
	return b.home
}
