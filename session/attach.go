package session

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"

	"msdev/runner"
)

// An attach takes over its connection after the HTTP answer: JSON objects both ways. The session begins with the environment, the
// client tells the process that it has started and how that ended, and the session ends with done.
type attachFrame struct {
	Environment []string   `json:"environment,omitempty"`
	PID         int        `json:"pid,omitempty"`
	Signal      int        `json:"signal,omitempty"`
	Exit        *int       `json:"exit,omitempty"`
	Done        bool       `json:"done,omitempty"`
	Error       *wireError `json:"error,omitempty"` // with done: why the service's own instance did not come back
}

type serviceRequest struct {
	Service string `json:"service"`
}

// Environment returns what a service would get as a process on top of the user's own environment, as NAME=value, sorted.
func (c *Client) Environment(ctx context.Context, service string) ([]string, error) {
	var env []string
	err := c.call(ctx, "/environment", serviceRequest{service}, &env)
	return env, err
}

// Attached is the place of a service's instance, kept for a process of the client's.
type Attached struct {
	Environment []string            // what the process is to get on top of the client's own
	Signals     chan syscall.Signal // what to send to the process; closed when the session is gone

	conn net.Conn
	enc  *json.Encoder
	done chan attachFrame
}

// Attach has the session stop a service's instance and keep its place. The place is given back by Ended, or when the connection
// ends with ctx.
func (c *Client) Attach(ctx context.Context, service string) (*Attached, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, sessionGone(err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	r, err := handshake(conn, "/attach", serviceRequest{service})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	dec := json.NewDecoder(r)
	var first attachFrame
	if err := dec.Decode(&first); err != nil {
		_ = conn.Close()
		return nil, sessionGone(err)
	}
	a := &Attached{Environment: first.Environment, Signals: make(chan syscall.Signal, 1), conn: conn, enc: json.NewEncoder(conn), done: make(chan attachFrame, 1)}
	go a.listen(ctx, dec)
	return a, nil
}

// listen takes what the session says until the connection ends.
func (a *Attached) listen(ctx context.Context, dec *json.Decoder) {
	defer close(a.done)
	defer close(a.Signals)
	for {
		var f attachFrame
		switch err := dec.Decode(&f); {
		case err != nil:
			return
		case f.Done:
			a.done <- f
			return
		}
		select {
		case a.Signals <- syscall.Signal(f.Signal):
		case <-ctx.Done():
			return
		}
	}
}

// Started tells the session which process it is.
func (a *Attached) Started(pid int) error { return a.enc.Encode(attachFrame{PID: pid}) }

// Ended tells how the process has ended, and returns once the service's own instance is back where it is wanted.
func (a *Attached) Ended(code int) error {
	defer a.conn.Close()
	if err := a.enc.Encode(attachFrame{Exit: &code}); err != nil {
		return sessionGone(err)
	}
	f, ok := <-a.done
	switch {
	case !ok:
		return sessionGone(io.ErrUnexpectedEOF)
	case f.Error != nil:
		return f.Error.error()
	}
	return nil
}

// attacher finds the runtime of a service that processes can be attached to.
func (s *Session) attacher(service string) (runner.Attacher, error) {
	if _, err := s.theProject().Service(service); err != nil {
		return nil, err
	}
	where := s.launch.Of(service)
	for _, rt := range s.runtimes() {
		if a, ok := rt.(runner.Attacher); ok && rt.Name() == where {
			return a, nil
		}
	}
	return nil, &runner.Error{Kind: runner.ErrUsage, Service: service, Msg: fmt.Sprintf("service %q does not run as a process here", service),
		Hint: "Give it an x-msdev.run and x-msdev.runtime: process, or start the session with --runtime process."}
}

func (s *Session) serveEnvironment(w http.ResponseWriter, r *http.Request) {
	var req serviceRequest
	if !decode(w, r, &req) {
		return
	}
	a, err := s.attacher(req.Service)
	if err != nil {
		reply(w, nil, err)
		return
	}
	env, err := a.Environment(req.Service)
	reply(w, env, err)
}

// serveAttach keeps the place of a service's instance for as long as the client has a process for it. ctx is the session's.
func (s *Session) serveAttach(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	var req serviceRequest
	if !decode(w, r, &req) {
		return
	}
	at, made, err := s.attach(ctx, req.Service)
	if err != nil {
		reply(w, nil, err)
		return
	}
	conn, buf, err := upgrade(w)
	if err != nil {
		at.Ended(0)
		return
	}
	defer conn.Close()
	enc := json.NewEncoder(conn)
	left := enc.Encode(attachFrame{Environment: at.Environment()}) != nil || s.attached(at, enc, json.NewDecoder(buf))
	if left {
		at.Abandoned()
	}
	last := attachFrame{Done: true}
	if err := s.putBack(ctx, req.Service, made); err != nil {
		we := newWireError(err)
		last.Error = &we
	}
	_ = enc.Encode(last) // the client may be gone
}

// attach makes room for a process; made tells that there was no instance before.
func (s *Session) attach(ctx context.Context, service string) (at runner.Attachment, made bool, err error) {
	a, err := s.attacher(service)
	if err != nil {
		return nil, false, err
	}
	if err := s.sup.Ready(ctx); err != nil {
		return nil, false, err
	}
	made = len(s.statusOf(ctx, service).Instances) == 0
	at, err = a.Attach(ctx, service)
	return at, made, err
}

// attached follows a process until it has ended; left tells that the client went away before.
func (s *Session) attached(at runner.Attachment, enc *json.Encoder, dec *json.Decoder) (left bool) {
	over := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case sig := <-at.Signals():
				_ = enc.Encode(attachFrame{Signal: int(sig)}) // who is gone is noticed below
			case <-over:
				return
			}
		}
	})
	defer passing.Wait()
	defer close(over)
	for {
		var f attachFrame
		switch err := dec.Decode(&f); {
		case err != nil:
			return true
		case f.Exit != nil:
			at.Ended(*f.Exit)
			return false
		case f.PID > 0:
			at.Started(f.PID)
		}
	}
}

// putBack starts the instance of a service that is wanted, and removes one that was only there to be attached. It is a restart, as
// the supervisor may not have seen yet that the process has ended.
func (s *Session) putBack(ctx context.Context, service string, made bool) error {
	st := s.statusOf(ctx, service)
	cmd := Command{Verb: VerbRestart, Services: []string{service}, NoDeps: true}
	switch {
	case st.Wanted:
	case made && len(st.Instances) > 0:
		cmd = Command{Verb: VerbDown, Services: []string{service}}
	default:
		return nil
	}
	_, err := s.do(ctx, cmd)
	return err
}

func (s *Session) statusOf(ctx context.Context, service string) runner.Status {
	all := s.sup.Statuses(ctx)
	if i := slices.IndexFunc(all, func(st runner.Status) bool { return st.Service == service }); i >= 0 {
		return all[i]
	}
	return runner.Status{}
}

// upgrade takes over the connection of a request.
func upgrade(w http.ResponseWriter) (net.Conn, *bufio.Reader, error) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		reply(w, nil, fmt.Errorf("this connection cannot be taken over: %w", err))
		return nil, nil, err
	}
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", upgradeProtocol); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, buf.Reader, nil
}
