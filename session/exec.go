package session

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"msdev/runner"
)

// An exec takes over its connection after the HTTP answer: frames of one byte of kind, four bytes of length (big endian)
// and that many bytes, both ways. It ends with a frame of the exit code.
const (
	frameStdin  = 0
	frameStdout = 1
	frameStderr = 2
	frameResize = 3 // two uint16: columns, rows
	frameClosed = 4 // end of stdin
	frameExit   = 5 // JSON of an execExit
)

const upgradeProtocol = "msdev-exec"

type execExit struct {
	Code  int        `json:"code"`
	Error *wireError `json:"error,omitempty"`
}

// frameWriter writes frames; several goroutines may share it.
type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frameWriter) frame(kind byte, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := [5]byte{kind}
	binary.BigEndian.PutUint32(head[1:], uint32(len(data)))
	if _, err := f.w.Write(append(head[:], data...)); err != nil {
		return err
	}
	return nil
}

// kind returns a writer whose writes are frames of one kind.
func (f *frameWriter) kind(k byte) io.Writer { return kindWriter{f, k} }

type kindWriter struct {
	f *frameWriter
	k byte
}

func (w kindWriter) Write(p []byte) (int, error) {
	if err := w.f.frame(w.k, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// maxFrame bounds what one frame may hold; writers write less.
const maxFrame = 1 << 20

func readFrame(r io.Reader) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too long", n)
	}
	data := make([]byte, n)
	_, err := io.ReadFull(r, data)
	return head[0], data, err
}

// Exec runs a command inside an instance with the given streams and returns its exit code. resize gets the terminal's
// new columns and rows and may be nil. stdin may be nil.
func (c *Client) Exec(ctx context.Context, req ExecRequest, stdin io.Reader, stdout, stderr io.Writer, resize <-chan [2]int) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return 0, sessionGone(err)
	}
	defer conn.Close()
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	req.Stdin = stdin != nil
	r, err := handshake(conn, "/exec", req)
	if err != nil {
		return 0, err
	}
	w := &frameWriter{w: conn}
	if stdin != nil {
		go func() {
			_, _ = io.Copy(w.kind(frameStdin), stdin)
			_ = w.frame(frameClosed, nil)
		}()
	}
	if resize != nil {
		go sendSizes(ctx, w, resize)
	}
	for {
		kind, data, err := readFrame(r)
		if err != nil {
			return 0, errors.Join(ctx.Err(), sessionGone(err))
		}
		switch kind {
		case frameStdout:
			_, err = stdout.Write(data)
		case frameStderr:
			_, err = stderr.Write(data)
		case frameExit:
			return exitOf(data)
		}
		if err != nil {
			return 0, err
		}
	}
}

func sendSizes(ctx context.Context, w *frameWriter, resize <-chan [2]int) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-resize:
			if !ok {
				return
			}
			data := binary.BigEndian.AppendUint16(nil, uint16(size[0]))
			_ = w.frame(frameResize, binary.BigEndian.AppendUint16(data, uint16(size[1])))
		}
	}
}

func exitOf(data []byte) (int, error) {
	var exit execExit
	if err := json.Unmarshal(data, &exit); err != nil {
		return 0, err
	}
	if exit.Error != nil {
		return 0, exit.Error.error()
	}
	return exit.Code, nil
}

// handshake asks for what takes over the connection, and returns the reader of what the session says on it.
func handshake(conn net.Conn, path string, req any) (*bufio.Reader, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: session\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n%s", path, upgradeProtocol, len(body), body)
	if err != nil {
		return nil, sessionGone(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost})
	if err != nil {
		return nil, sessionGone(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return r, nil
	}
	defer resp.Body.Close()
	var we wireError
	if err := json.NewDecoder(resp.Body).Decode(&we); err != nil {
		return nil, fmt.Errorf("the session answered %s", resp.Status)
	}
	return nil, we.error()
}

func (s *Session) serveExec(w http.ResponseWriter, r *http.Request) {
	var req ExecRequest
	if !decode(w, r, &req) {
		return
	}
	in, exe, err := s.execTarget(r.Context(), req)
	if err != nil {
		reply(w, nil, err)
		return
	}
	conn, buf, err := upgrade(w)
	if err != nil {
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background()) // the request's own ends with the hijack
	defer cancel()
	runExec(ctx, cancel, exe, in.ID, req, conn, buf)
}

// runExec carries the streams of an exec until its command has ended or its client is gone.
func runExec(ctx context.Context, cancel context.CancelFunc, exe runner.Execer, id string, req ExecRequest, conn net.Conn, r io.Reader) {
	out := &frameWriter{w: conn}
	stdinR, stdinW := io.Pipe()
	resize := make(chan [2]int, 1)
	if req.Columns > 0 {
		resize <- [2]int{req.Columns, req.Rows}
	}
	go func() {
		defer cancel()
		defer stdinW.Close()
		for {
			kind, data, err := readFrame(r)
			if err != nil {
				return
			}
			takeFrame(ctx, kind, data, stdinW, resize)
		}
	}()
	spec := runner.ExecSpec{Command: req.Command, Env: req.Env, User: req.User, Dir: req.Dir, TTY: req.TTY, Stdout: out.kind(frameStdout), Stderr: out.kind(frameStderr), Resize: resize}
	if req.Stdin {
		spec.Stdin = stdinR
	}
	code, err := exe.Exec(ctx, id, spec)
	_ = stdinR.Close()
	exit := execExit{Code: code}
	if err != nil {
		we := newWireError(err)
		exit.Error = &we
	}
	if data, err := json.Marshal(exit); err == nil {
		_ = out.frame(frameExit, data)
	}
}

func takeFrame(ctx context.Context, kind byte, data []byte, stdin *io.PipeWriter, resize chan [2]int) {
	switch kind {
	case frameStdin:
		_, _ = stdin.Write(data) // the command has closed its input: it does not want more
	case frameClosed:
		_ = stdin.Close()
	case frameResize:
		if len(data) == 4 {
			size := [2]int{int(binary.BigEndian.Uint16(data)), int(binary.BigEndian.Uint16(data[2:]))}
			select {
			case resize <- size:
			case <-ctx.Done():
			}
		}
	}
}

// execTarget finds the instance to run in.
func (s *Session) execTarget(ctx context.Context, req ExecRequest) (runner.Instance, runner.Execer, error) {
	if err := s.sup.Ready(ctx); err != nil {
		return runner.Instance{}, nil, err
	}
	known := s.sup.Statuses(ctx)
	if _, err := s.named([]string{req.Service}, known); err != nil {
		return runner.Instance{}, nil, err
	}
	for _, st := range known {
		for _, in := range st.Instances {
			if st.Service != req.Service || in.State != runner.InstanceRunning || (req.Index > 0 && in.Number != req.Index) {
				continue
			}
			for _, rt := range s.runtimes() {
				if exe, ok := rt.(runner.Execer); ok && rt.Name() == in.Runtime {
					return in, exe, nil
				}
			}
		}
	}
	what := fmt.Sprintf("service %q does not run", req.Service)
	if req.Index > 0 {
		what = fmt.Sprintf("instance %d of service %q does not run", req.Index, req.Service)
	}
	return runner.Instance{}, nil, &runner.Error{Kind: runner.ErrFailed, Service: req.Service, Msg: what, Hint: fmt.Sprintf("`msdev start %s` starts it.", req.Service)}
}
