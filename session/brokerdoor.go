package session

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"msdev/brokers"
	"msdev/brokers/remote"
	"msdev/journal"
	"msdev/runner"
)

// Brokers returns the brokers that the session talks to: those of the graph, and those of x-msdev.brokers.
func (c *Client) Brokers(ctx context.Context) ([]brokers.Info, error) {
	var list []brokers.Info
	err := c.call(ctx, "/brokers", nil, &list)
	return list, err
}

// AddBroker makes a broker outside of the project known to the session until it ends: `--broker NAME=URL`.
func (c *Client) AddBroker(ctx context.Context, name, address string) (brokers.Info, error) {
	var info brokers.Info
	err := c.call(ctx, "/brokers/add", runner.BrokerSettings{Name: name, URL: address}, &info)
	return info, err
}

// Broker is one of Brokers. All that its kind can do is found by assertion, as with any other.
func (c *Client) Broker(info brokers.Info) brokers.Broker {
	return remote.New(info, func(ctx context.Context) (net.Conn, *bufio.Reader, error) {
		conn, err := c.dial(ctx)
		if err != nil {
			return nil, nil, sessionGone(err)
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		r, err := handshake(conn, "/broker", info)
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = conn.Close()
			return nil, nil, errors.Join(ctx.Err(), err)
		}
		return conn, r, nil
	})
}

// Tap keeps every broker of the graph tapped into the session's journal until ctx ends, or the session does. Of the options
// Firehose counts: RabbitMQ's deliveries show as well, for all clients, and tracing is on for as long as one wants it.
func (c *Client) Tap(ctx context.Context, o brokers.TapOptions) error {
	resp, err := c.send(ctx, "/brokers/tap", tapWish{o.Firehose})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(ctx.Err(), err)
}

// Note puts a sentence about a broker into the journal, as an event: what a client has done by it.
func (c *Client) Note(ctx context.Context, broker, text string) error {
	return c.call(ctx, "/brokers/note", brokerNote{broker, text}, new(bool))
}

type brokerNote struct {
	Broker string `json:"broker"`
	Text   string `json:"text"`
}

func (s *Session) brokerRoutes(ctx context.Context, mux *http.ServeMux) {
	mux.HandleFunc("POST /brokers", s.serveBrokers)
	mux.HandleFunc("POST /brokers/add", s.serveAddBroker)
	mux.HandleFunc("POST /brokers/tap", s.serveTap)
	mux.HandleFunc("POST /brokers/note", s.serveNote)
	mux.HandleFunc("POST /schemas", s.serveSchemas)
	mux.HandleFunc("GET "+registryPath, s.serveRegistry)
	mux.HandleFunc("POST /broker", func(w http.ResponseWriter, r *http.Request) { s.serveBroker(ctx, w, r) })
}

func (s *Session) serveBrokers(w http.ResponseWriter, _ *http.Request) {
	list := []brokers.Info{}
	for _, b := range s.brokerStates() {
		list = append(list, b.Info)
	}
	reply(w, list, nil)
}

func (s *Session) serveAddBroker(w http.ResponseWriter, r *http.Request) {
	var b runner.BrokerSettings
	if !decode(w, r, &b) {
		return
	}
	d, err := s.addBroker(b)
	if err != nil {
		reply(w, nil, err)
		return
	}
	reply(w, d.broker.Info(), nil)
}

func (s *Session) addBroker(b runner.BrokerSettings) (*desk, error) {
	s.mu.Lock()
	p := s.project
	s.mu.Unlock()
	spec, err := BrokerAt(b.Name, b.URL, p.Dir)
	if err != nil {
		return nil, &runner.Error{Kind: runner.ErrUsage, Msg: err.Error()}
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if at := slices.IndexFunc(s.hub.desks, func(d *desk) bool { return d.spec.Name == spec.Name }); at >= 0 {
		if s.hub.desks[at].spec.same(spec) {
			return s.hub.desks[at], nil
		}
		return nil, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("there is another broker of the name %q", spec.Name), Hint: "Give it another name: --broker NAME=URL."}
	}
	broker, err := s.openBroker(p.Name, spec)
	if err != nil {
		return nil, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("broker %q: %v", spec.Name, err), Err: err}
	}
	d := &desk{spec: spec, broker: broker}
	s.hub.desks = append(s.hub.desks, d)
	return d, nil
}

// serveTap answers for as long as the client wants what passes.
func (s *Session) serveTap(w http.ResponseWriter, r *http.Request) {
	var wish tapWish
	if !decode(w, r, &wish) {
		return
	}
	s.wantTaps(1, wish.Firehose)
	defer s.wantTaps(-1, wish.Firehose)
	_ = http.NewResponseController(w).Flush() // the client waits for the end anyway
	select {
	case <-r.Context().Done():
	case <-s.quit:
	}
}

// tapWish is how a client wants the brokers tapped.
type tapWish struct {
	Firehose bool `json:"firehose"`
}

func (s *Session) wantTaps(n int, firehose bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.wanted += n
	if firehose {
		s.hub.firehose += n
	}
	close(s.hub.moved)
	s.hub.moved = make(chan struct{})
	poke(s.changed)
}

func (s *Session) serveNote(w http.ResponseWriter, r *http.Request) {
	var n brokerNote
	if !decode(w, r, &n) {
		return
	}
	s.brokerEvent(n.Broker, n.Text)
	reply(w, true, nil)
}

// brokerEvent says as an event what was done to a broker.
func (s *Session) brokerEvent(broker, text string) {
	text = journal.Sanitize(text)
	body, err := json.Marshal(runner.Event{Type: runner.EventBroker, Service: broker, Text: text})
	if err != nil { // an Event always marshals
		body = nil
	}
	s.journal.Append(journal.Record{Stream: runner.EventStream(broker), Kind: journal.KindEvent, Ref: string(runner.EventBroker), Text: text, Body: body})
}

// serveBroker gives a connection to one broker over to remote.Serve.
func (s *Session) serveBroker(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	var info brokers.Info
	if !decode(w, r, &info) {
		return
	}
	s.hub.mu.Lock()
	at := slices.IndexFunc(s.hub.desks, func(d *desk) bool { return d.spec.Name == info.Name })
	var d *desk
	if at >= 0 {
		d = s.hub.desks[at]
	}
	s.hub.mu.Unlock()
	if d == nil {
		reply(w, nil, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("there is no broker %q", info.Name), Hint: "`msdev brokers` shows those that there are."})
		return
	}
	conn, buf, err := upgrade(w)
	if err != nil {
		return
	}
	remote.Serve(ctx, conn, buf, d.broker, func(text string) { s.brokerEvent(d.spec.Name, text) })
}
