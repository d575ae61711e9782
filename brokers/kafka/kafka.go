// Package kafka is the brokers.Broker of Kafka and what speaks its protocol (Redpanda, msdev's own broker): 2.8 and newer,
// without ever joining a group.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"msdev/brokers"
)

// Options say which cluster it is.
type Options struct {
	Name    string // as people call it
	Service string // the service of the graph that it is; empty for others
	Own     bool   // part of the project
	// URL is kafka://user:password@host:port,host:port?sasl=plain, with sasl one of plain (where there is a user),
	// scram-sha-256 and scram-sha-512; kafkas:// is over TLS. Without a scheme it is host:port,host:port.
	URL string
	// TLS is used for kafkas; nil is the system's defaults.
	TLS *tls.Config
	// Addresses leads from addresses that the brokers advertise to those at which this machine reaches them.
	Addresses map[string]string
	// Dial connects; nil dials directly.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Broker is one cluster.
type Broker struct {
	o    Options
	base []kgo.Opt

	mu     sync.Mutex
	known  brokers.Info
	admin  *kadm.Client // opened when first asked
	closed bool
}

const (
	clientID    = "msdev"
	dialTimeout = 10 * time.Second
	askTimeout  = 20 * time.Second
)

// New names a cluster; it does not connect.
func New(o Options) (*Broker, error) {
	seeds, secure, mechanism, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	b := &Broker{o: o, known: brokers.Info{
		Name: o.Name, Kind: brokers.Kafka, Address: strings.Join(seeds, ","), Own: o.Own, Service: o.Service,
	}}
	b.base = []kgo.Opt{
		kgo.SeedBrokers(seeds...), kgo.ClientID(clientID), kgo.Dialer(o.dialer(secure)), kgo.DisableClientMetrics(),
		kgo.MetadataMinAge(250 * time.Millisecond), kgo.RetryBackoffFn(backoff),
	}
	if mechanism != nil {
		b.base = append(b.base, kgo.SASL(mechanism))
	}
	return b, nil
}

// backoff is how long to wait before the nth attempt: a broker that restarts is back soon.
func backoff(n int) time.Duration { return min(50*time.Millisecond<<min(n, 6), 2*time.Second) }

// parseURL reads the address. net/url does not take several hosts.
func parseURL(text string) (seeds []string, secure bool, mechanism sasl.Mechanism, err error) {
	wrong := errors.New("that is no address of a Kafka\nWrite it as host:9092, or kafka://user:password@host:9092,host:9092?sasl=scram-sha-512, or kafkas:// with TLS")
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "kafka", text
	}
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimSuffix(rest, "/")
	settings, err := url.ParseQuery(query)
	if err != nil || scheme != "kafka" && scheme != "kafkas" {
		return nil, false, nil, wrong
	}
	var user *url.Userinfo
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		u, err := url.Parse("kafka://" + rest[:at] + "@host")
		if err != nil {
			return nil, false, nil, wrong
		}
		user, rest = u.User, rest[at+1:]
	}
	for _, seed := range strings.Split(rest, ",") {
		host, port, err := net.SplitHostPort(seed)
		if err != nil {
			host, port = seed, "9092"
		}
		if host == "" || strings.ContainsAny(host, "/ ") {
			return nil, false, nil, wrong
		}
		seeds = append(seeds, net.JoinHostPort(host, port))
	}
	mechanism, err = mechanismOf(settings.Get("sasl"), user)
	return seeds, scheme == "kafkas", mechanism, err
}

func mechanismOf(name string, user *url.Userinfo) (sasl.Mechanism, error) {
	if user == nil {
		if name != "" {
			return nil, fmt.Errorf("sasl=%s needs a user\nWrite it as kafka://user:password@host:9092?sasl=%s", name, name)
		}
		return nil, nil
	}
	password, _ := user.Password()
	switch strings.ToLower(name) {
	case "", "plain":
		return plain.Auth{User: user.Username(), Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: user.Username(), Pass: password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: user.Username(), Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("there is no sasl=%s\nIt is plain, scram-sha-256 or scram-sha-512.", name)
}

// dialer connects to where an advertised address really is.
func (o *Options) dialer(secure bool) func(context.Context, string, string) (net.Conn, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		real := address
		if to, ok := o.Addresses[address]; ok {
			real = to
		}
		conn, err := dial(ctx, network, real)
		if err != nil || !secure {
			return conn, err
		}
		config := o.TLS.Clone()
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
		return tls.Client(conn, config), nil
	}
}

// client opens a connection for one purpose.
func (b *Broker) client(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(slices.Concat(b.base, more)...)
}

// ask runs f with the connection for questions, and remembers whether the cluster answers. It runs f again while there is no
// coordinator.
func (b *Broker) ask(ctx context.Context, f func(ctx context.Context, admin *kadm.Client) error) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return errors.New("this broker is closed")
	}
	if b.admin == nil {
		client, err := b.client()
		if err != nil {
			b.mu.Unlock()
			return err
		}
		b.admin = kadm.NewClient(client)
	}
	admin := b.admin
	b.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := f(limited, admin)
	for isElecting(err) && brokers.Sleep(limited, settlePoll) == nil {
		err = f(limited, admin)
	}
	if hint := b.wayOut(err); hint != "" && ctx.Err() == nil {
		err = fmt.Errorf("broker %q cannot be reached: %w\n%s", b.o.Name, err, hint)
		b.remember(func(i *brokers.Info) { i.Trouble = err.Error() })
	}
	return err
}

// wayOut is what to do about a cluster that cannot be reached, "" where it can.
func (b *Broker) wayOut(err error) string {
	if hint := brokers.TrustHint(err); hint != "" {
		return hint
	}
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "Correct user, password and sasl in its URL."
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "Name another one in its URL: sasl=plain, scram-sha-256 or scram-sha-512."
	case isDown(err):
		return "Is it running? Its address: " + b.known.Address
	}
	return ""
}

// isElecting tells that a group has no coordinator yet: a fresh cluster makes the topic of offsets when it is first asked for one, and
// one that starts loads it.
func isElecting(err error) bool {
	return errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.NotCoordinator)
}

// isDown tells whether the cluster did not answer, rather than that it said no.
func isDown(err error) bool {
	var network net.Error
	var dial *kgo.ErrFirstReadEOF
	return errors.As(err, &network) || errors.As(err, &dial) || errors.Is(err, context.DeadlineExceeded)
}

func (b *Broker) remember(change func(*brokers.Info)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.known)
}

// Info tells which broker this is.
func (b *Broker) Info() brokers.Info {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known
}

// Close ends the connection for questions.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.admin != nil {
		b.admin.Close()
	}
	b.closed = true
	return nil
}
