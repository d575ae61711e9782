// Package rabbitmq is the brokers.Broker of RabbitMQ and what speaks like it (LavinMQ, msdev's own broker): AMQP 0-9-1 for
// messages, the management API or rabbitmqctl for what is there.
package rabbitmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"msdev/brokers"
)

// Options say which broker it is.
type Options struct {
	Name    string // as people call it
	Service string // the service of the graph that it is; empty for others
	Own     bool   // part of the project
	// URL is amqp://user:password@host:port/vhost, or amqps. Without a path the virtual host is "/".
	URL string
	// Management is the root of the management API, http://host:port; without credentials it takes the URL's. Empty: none.
	Management string
	// TLS is used for amqps and https; nil is the system's defaults.
	TLS *tls.Config
	// Dial connects; nil dials directly.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Ctl runs rabbitmqctl with these arguments where the broker is and returns what it prints; nil where that cannot be.
	// It takes more than a second, and is used only for what there is no other way to learn.
	Ctl func(ctx context.Context, args ...string) ([]byte, error)
	// Note is a file that is there while tracing is on because of this process, so that one after it can turn it off: see Tidy.
	// Empty: nothing is noted.
	Note string
}

// Broker is one virtual host of a RabbitMQ.
type Broker struct {
	o     Options
	at    place
	api   *api // nil without management
	mu    sync.Mutex
	known brokers.Info

	tracing tracing
}

const (
	product       = "msdev"
	tapPrefix     = "msdev.tap-"
	defaultPort   = "5672"
	secureAMQPort = "5671"
)

// New names a broker; it does not connect.
func New(o Options) (*Broker, error) {
	at, err := parseURL(o.URL, o.TLS)
	if err != nil {
		return nil, err
	}
	at.dial = o.Dial
	if at.dial == nil {
		at.dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	b := &Broker{o: o, at: at, known: brokers.Info{
		Name: o.Name, Kind: brokers.RabbitMQ, Address: at.address, Vhost: at.vhost, Own: o.Own, Service: o.Service,
	}}
	if o.Management != "" {
		root, err := url.Parse(o.Management)
		if err != nil || root.Host == "" {
			return nil, fmt.Errorf("the management address of broker %q is no URL\nWrite it as http://host:15672", o.Name)
		}
		if root.User == nil {
			root.User = url.UserPassword(at.user, at.password)
		}
		b.api = &api{root: root, vhost: at.vhost, client: &http.Client{
			Timeout:   apiTimeout,
			Transport: &http.Transport{DialContext: at.dial, TLSClientConfig: o.TLS, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute},
		}}
	}
	return b, nil
}

// parseURL reads amqp://user:password@host:port/vhost.
func parseURL(text string, config *tls.Config) (place, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "amqp" && u.Scheme != "amqps" {
		return place{}, errors.New("that is no address of a RabbitMQ\nWrite it as amqp://user:password@host:5672/vhost, or amqps with TLS")
	}
	at := place{user: "guest", password: "guest", vhost: "/"}
	port := defaultPort
	if u.Scheme == "amqps" {
		port = secureAMQPort
		at.tls = config.Clone()
		if at.tls == nil {
			at.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if at.tls.ServerName == "" {
			at.tls.ServerName = u.Hostname()
		}
		if len(at.tls.Certificates) > 0 {
			at.user, at.password = "", "" // the certificate says who it is
		}
	}
	if u.User != nil {
		at.user = u.User.Username()
		at.password, _ = u.User.Password()
	}
	if p := u.Port(); p != "" {
		port = p
	}
	at.address = net.JoinHostPort(u.Hostname(), port)
	if path := strings.TrimPrefix(u.EscapedPath(), "/"); path != "" {
		if at.vhost, err = url.PathUnescape(path); err != nil {
			return place{}, fmt.Errorf("the virtual host in that address is not well-formed: %w\nWrite / as %%2f in it", err)
		}
	}
	return at, nil
}

// Info tells which broker this is.
func (b *Broker) Info() brokers.Info {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known
}

// Close ends the connections that wait for further questions.
func (b *Broker) Close() error {
	if b.api != nil {
		b.api.client.CloseIdleConnections()
	}
	return nil
}

// connect opens a connection for one purpose.
func (b *Broker) connect(ctx context.Context, purpose string) (*conn, error) {
	name := product + " " + purpose
	if host, err := os.Hostname(); err == nil {
		name += " on " + host
	}
	c, err := connect(ctx, b.at, name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		err = b.explain(err)
		if ctx.Err() == nil {
			b.known.Trouble = err.Error()
		}
		return nil, err
	}
	b.known.Version, b.known.Product, b.known.Trouble = c.version, c.product, ""
	return c, nil
}

// explain makes an error of connecting one sentence with a way out.
func (b *Broker) explain(err error) error {
	hint := cmp.Or(brokers.TrustHint(err), "Is it running? Its address: "+b.at.address)
	var said *brokerError
	if errors.As(err, &said) {
		switch said.code {
		case 403:
			hint = "Correct user and password in its URL."
		case 530, 541:
			hint = fmt.Sprintf("Does the virtual host %q exist, and may user %q use it?", b.at.vhost, b.at.user)
		}
	}
	return fmt.Errorf("broker %q cannot be reached: %w\n%s", b.o.Name, err, hint)
}

// within runs f with a connection of its own, which ends with it or with ctx.
func (b *Broker) within(ctx context.Context, purpose string, f func(c *conn) error) error {
	c, err := b.connect(ctx, purpose)
	if err != nil {
		return err
	}
	defer c.close()
	return f(c)
}
