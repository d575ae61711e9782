// Package kafka is a Kafka broker inside the process, for development: kfake of franz-go with its data on disk, kept within
// bounds, and with what applications expect of a broker in front of it. Topics appear when they are first asked for, as
// Kafka's default is; each listener advertises an address of its own; what is no Kafka is turned away.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Options say how a broker is set up.
type Options struct {
	// Listeners are where clients connect: one or more, on loopback. The broker owns them and closes them.
	Listeners []Listener
	// Dir is where topics, records and the offsets of groups are kept. Without it they go to a folder of the system's
	// temporary one, which is removed at the end.
	Dir string
	// Retention is how many bytes of records each partition keeps, about; 0 is 64 MiB. A broker reads all that it keeps
	// when it opens, and holds it in memory until the first fetch, so this bounds both.
	Retention int64
	// Partitions is how many partitions a topic gets that does not say; 0 is 1, as in Kafka.
	Partitions int
	// NoAutoCreate leaves topics that are asked for and not there uncreated, as auto.create.topics.enable=false.
	NoAutoCreate bool
	// Logger is told of connections, topics and trouble; nil is silent.
	Logger *slog.Logger
}

// Listener is one way in.
type Listener struct {
	net.Listener
	// Advertise is the host:port that clients of this listener are told to come back to; empty is its own address.
	Advertise string
}

const (
	defaultRetention = 64 << 20
	segmentsKept     = 4           // a partition's retention comes in so many files, as only whole ones are removed
	retentionEvery   = time.Minute // how often what is too much is removed; Kafka's own is five minutes
)

// Broker is one broker, the only one of its cluster.
type Broker struct {
	logger     *slog.Logger
	cluster    *kfake.Cluster
	gate       *gate
	dir        string
	temporary  bool
	lock       *os.File
	auto       bool
	partitions int32

	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.RWMutex // held for reading while the cluster is asked something, so that it is not closed meanwhile
	closed bool
}

// Open starts a broker with what its folder holds. When it returns, clients can connect.
func Open(o Options) (*Broker, error) {
	b, err := open(o)
	if err != nil {
		for _, l := range o.Listeners {
			_ = l.Close()
		}
	}
	return b, err
}

func open(o Options) (*Broker, error) {
	if len(o.Listeners) == 0 {
		return nil, errors.New("a Kafka broker needs a listener")
	}
	b := &Broker{logger: o.Logger, dir: o.Dir, auto: !o.NoAutoCreate, partitions: int32(max(o.Partitions, 1))}
	if b.logger == nil {
		b.logger = slog.New(slog.DiscardHandler)
	}
	if o.Retention <= 0 {
		o.Retention = defaultRetention
	}
	if err := b.lockDir(); err != nil {
		return nil, err
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	b.gate = newGate(o.Listeners, b)
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.gate, nil }),
		kfake.DataDir(b.dir),
		kfake.ClusterID("msdev"),
		kfake.DefaultNumPartitions(int(b.partitions)),
		kfake.WithLogger(clusterLog{b.logger}),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.bytes": strconv.FormatInt(o.Retention, 10),
			"log.segment.bytes":   strconv.FormatInt(max(o.Retention/segmentsKept, 1), 10),
		}))
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("Kafka's data in %s cannot be read: %w", b.dir, err), b.unlockDir())
	}
	b.cluster = cluster
	cluster.ApplyRetention()
	if size, err := b.Size(); err == nil {
		b.logger.Info("Kafka is open", "dir", b.dir, "bytes", size, "took", time.Since(began).Round(time.Millisecond))
	}
	b.gate.open(&b.work)
	b.work.Go(func() { b.retain(ctx) })
	return b, nil
}

// retain removes what is more than is to be kept, until ctx ends.
func (b *Broker) retain(ctx context.Context) {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

// Addr is the address of the first listener.
func (b *Broker) Addr() string { return b.gate.listeners[0].Addr().String() }

// Size is how many bytes the broker's files have.
func (b *Broker) Size() (int64, error) {
	var size int64
	err := filepath.WalkDir(b.dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // a segment that was just removed
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size, err
}

// Close ends all connections and writes what the next Open needs. It returns when everything has ended.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.stop()
	err := b.gate.Close()
	b.work.Wait()
	b.cluster.ApplyRetention()
	b.cluster.Close()
	b.gate.wait()
	return errors.Join(err, b.unlockDir())
}

// ask runs f unless the broker is closed.
func (b *Broker) ask(f func()) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !b.closed {
		f()
	}
}

const temporaryName = "msdev-kafka-"

// lockDir makes the folder and takes it, so that no two brokers write to it. A temporary one is made where none is given.
func (b *Broker) lockDir() error {
	if b.dir == "" {
		sweep()
		dir, err := os.MkdirTemp("", temporaryName)
		if err != nil {
			return err
		}
		b.dir, b.temporary = dir, true
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	lock, err := takeDir(b.dir)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("another broker has its data in %s: %w", b.dir, err)
	}
	b.lock = lock
	return err
}

func (b *Broker) unlockDir() error {
	var err error
	if b.temporary {
		err = os.RemoveAll(b.dir)
	}
	return errors.Join(err, b.lock.Close())
}

// takeDir locks a folder; the lock goes with the file, or with the process.
func takeDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweep removes the temporary folders of brokers that were killed.
func sweep() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaryName+"*")) // the pattern is well-formed
	for _, dir := range left {
		if lock, err := takeDir(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = lock.Close()
		}
	}
}

// clusterLog passes on what kfake has to say, where it is more than chatter.
type clusterLog struct{ logger *slog.Logger }

// Logf is what kfake calls.
func (l clusterLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.logger.Error(fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.logger.Warn(fmt.Sprintf(format, args...))
	}
}
