package session

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"msdev/journal"
	"msdev/runner"
)

// ErrNoSession says that no session runs for the project.
var ErrNoSession = errors.New("no session runs for this project")

// Client is the one way to talk to a session: over its control socket, or over an in-memory pipe to a session in this
// process. It holds no state of its own, so a client that vanishes changes nothing.
type Client struct {
	http *http.Client
	dial func(ctx context.Context) (net.Conn, error)
	done func() error // ends what Local started; nil otherwise
}

func newClient(dial func(ctx context.Context) (net.Conn, error)) *Client {
	transport := &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		MaxIdleConnsPerHost: 8,
	}
	return &Client{http: &http.Client{Transport: transport}, dial: dial}
}

// Dial connects to the running session of a project; ErrNoSession where there is none. A socket that nobody listens on
// any more is removed.
func Dial(ctx context.Context, project string) (*Client, error) {
	path, err := SocketPath(project)
	if err != nil {
		return nil, err
	}
	if err := checkSocket(ctx, path); err != nil {
		return nil, err
	}
	return newClient(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}), nil
}

// Close lets go of the connection; a session that Local started ends with it.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	if c.done != nil {
		return c.done()
	}
	return nil
}

// Do carries out a command and returns once it has settled. When ctx ends first the command goes on without the client.
func (c *Client) Do(ctx context.Context, cmd Command) (Result, error) {
	var res Result
	err := c.call(ctx, "/do", cmd, &res)
	return res, err
}

// State returns what the session is now, once it has seen all that exists.
func (c *Client) State(ctx context.Context) (State, error) {
	var s State
	err := c.call(ctx, "/state", nil, &s)
	return s, err
}

// Details returns what only lists show of the project's instances, by ID.
func (c *Client) Details(ctx context.Context) (map[string]runner.Detail, error) {
	var all map[string]runner.Detail
	err := c.call(ctx, "/details", nil, &all)
	return all, err
}

// Watch calls fn with the whole state, and again at each change, at most 30 times a second, until ctx ends, fn fails or
// the session ends (io.EOF).
func (c *Client) Watch(ctx context.Context, fn func(State) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.send(ctx, "/watch", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(bufio.NewReader(resp.Body))
	var s State
	for {
		var p patch
		if err := dec.Decode(&p); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			return err
		}
		s = p.apply(s)
		if err := fn(s); err != nil {
			return err
		}
	}
}

// Records returns one page of the journal.
func (c *Client) Records(ctx context.Context, q RecordQuery) (journal.Page, error) {
	var page journal.Page
	err := c.call(ctx, "/records", q, &page)
	return page, err
}

// Wait returns the journal's last sequence number once it is greater than after.
func (c *Client) Wait(ctx context.Context, after uint64) (uint64, error) {
	var last uint64
	err := c.call(ctx, "/wait?after="+strconv.FormatUint(after, 10), nil, &last)
	return last, err
}

func (c *Client) call(ctx context.Context, path string, in, out any) error {
	resp, err := c.send(ctx, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return sessionGone(err)
	}
	return nil
}

// send posts a request and turns a refusal back into the error that it was.
func (c *Client) send(ctx context.Context, path string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://session"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, sessionGone(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var we wireError
	if err := json.NewDecoder(resp.Body).Decode(&we); err != nil {
		return nil, fmt.Errorf("the session answered %s", resp.Status)
	}
	return nil, we.error()
}

func sessionGone(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return &runner.Error{Kind: runner.ErrEngine, Msg: "the session has ended: " + err.Error(),
		Hint: "`msdev up` starts it again and adopts what still runs.", Err: err}
}

// wireError is an error on its way to a client.
type wireError struct {
	Kind    runner.ErrorKind `json:"kind,omitempty"`
	Service string           `json:"service,omitempty"`
	Msg     string           `json:"msg"`
	Hint    string           `json:"hint,omitempty"`
}

func newWireError(err error) wireError {
	var re *runner.Error
	if errors.As(err, &re) {
		return wireError{Kind: re.Kind, Service: re.Service, Msg: re.Msg, Hint: re.Hint}
	}
	if errors.Is(err, context.Canceled) { // the session's own context: what was asked for goes on without its client
		return wireError{Kind: runner.ErrEngine, Msg: "the session has ended", Hint: "`msdev up` starts it again and adopts what still runs."}
	}
	return wireError{Msg: err.Error()}
}

func (w wireError) error() error {
	if w.Kind == "" && w.Msg == runner.ErrSuperseded.Error() {
		return runner.ErrSuperseded
	}
	if w.Kind == "" {
		return errors.New(w.Msg)
	}
	return &runner.Error{Kind: w.Kind, Service: w.Service, Msg: w.Msg, Hint: w.Hint}
}

// ExecRequest is a command to run inside an instance of a service.
type ExecRequest struct {
	Service string   `json:"service"`
	Index   int      `json:"index,omitempty"` // number of the instance; 0: the first that runs
	Command []string `json:"command"`
	Env     []string `json:"env,omitempty"`
	User    string   `json:"user,omitempty"`
	Dir     string   `json:"dir,omitempty"`
	TTY     bool     `json:"tty,omitempty"`
	Stdin   bool     `json:"stdin,omitempty"`
	Columns int      `json:"columns,omitempty"`
	Rows    int      `json:"rows,omitempty"`
}
