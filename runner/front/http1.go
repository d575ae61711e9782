package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
)

// passHTTP1 passes requests on one after the other, each to the version that is current when it begins. Heads and bodies pass
// as they are; only their ends are looked for.
func (s *Switch) passHTTP1(ctx context.Context, caller *side, to *link) {
	for {
		if _, err := caller.r.Peek(1); err != nil {
			return
		}
		v := s.begin()
		again := to.connect(ctx, v) == nil && exchange(caller, to.side)
		v.count(-1)
		if !again {
			return
		}
	}
}

// exchange passes one request and its answer on, and tells whether the connection can take a next one.
func exchange(caller, behind *side) bool {
	head, err := readHead(caller.r)
	if err != nil {
		return false
	}
	req := parse(head)
	if _, err := behind.w.Write(head); err != nil {
		return false
	}
	sent := make(chan error, 1)
	go func() { // ends with the body, or with one of the connections
		err := copyBody(behind.w, caller.r, req.framing())
		sent <- errors.Join(err, behind.w.Flush())
	}()
	again, tunnel := answer(caller, behind, req)
	if !again {
		_ = caller.Close()
		_ = behind.Close()
	}
	err = <-sent
	if tunnel {
		joinSides(caller, behind)
		return false
	}
	return again && err == nil
}

// answer passes the answer to a request on. tunnel tells that from here on the connection is no more HTTP.
func answer(caller, behind *side, req message) (again, tunnel bool) {
	for {
		head, err := readHead(behind.r)
		if err != nil {
			return false, false
		}
		res := parse(head)
		if _, err := caller.w.Write(head); err != nil {
			return false, false
		}
		status := res.status()
		if status >= 100 && status < 200 && status != 101 { // more is to come
			if caller.w.Flush() != nil {
				return false, false
			}
			continue
		}
		if status == 101 || req.method() == "CONNECT" && status < 300 {
			return caller.w.Flush() == nil, true
		}
		framing := res.framing()
		switch {
		case req.method() == "HEAD", status == 204, status == 304:
			framing = body{}
		case !framing.chunked && framing.length < 0:
			framing.toEnd = true
		}
		err = copyBody(caller.w, behind.r, framing)
		err = errors.Join(err, caller.w.Flush())
		return err == nil && !framing.toEnd && !res.closes() && !req.closes(), false
	}
}

// maxHead bounds the head of a message.
const maxHead = 1 << 20

var errHead = errors.New("the head of the message is too long")

// readHead reads a message up to the empty line before its body.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		case len(head) > maxHead:
			return nil, errHead
		}
		if empty := len(bytes.TrimRight(line, "\r\n")) == 0; empty && len(head) > len(line) {
			return head, nil
		}
	}
}

// message is the head of a request or an answer, line by line.
type message []string

func parse(head []byte) message {
	return strings.Split(strings.TrimSpace(string(head)), "\n")
}

func (m message) method() string {
	method, _, _ := strings.Cut(m[0], " ")
	return method
}

func (m message) status() int {
	_, rest, _ := strings.Cut(m[0], " ")
	code, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.Atoi(code)
	return n
}

// header returns the values of a header, joined by commas.
func (m message) header(name string) string {
	var values []string
	for _, line := range m[1:] {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return strings.Join(values, ",")
}

// closes tells whether this message is the last one of its connection.
func (m message) closes() bool {
	connection := strings.ToLower(m.header("Connection"))
	if strings.Contains(m[0], "HTTP/1.0") {
		return !strings.Contains(connection, "keep-alive")
	}
	return strings.Contains(connection, "close")
}

// body is how the end of a message's body is found. The zero value is no body.
type body struct {
	length  int64 // -1: not said
	chunked bool
	toEnd   bool // it ends with the connection
}

func (m message) framing() body {
	if strings.Contains(strings.ToLower(m.header("Transfer-Encoding")), "chunked") {
		return body{chunked: true}
	}
	length, _, _ := strings.Cut(m.header("Content-Length"), ",")
	if n, err := strconv.ParseInt(length, 10, 64); err == nil && n >= 0 {
		return body{length: n}
	}
	return body{length: -1}
}

// copyBody passes a body on. What has come goes out before it waits for more.
func copyBody(w *bufio.Writer, r *bufio.Reader, b body) error {
	switch {
	case b.chunked:
		return copyChunks(w, r)
	case b.toEnd:
		for {
			if err := copyBytes(w, r, 1); err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			if err := copyBytes(w, r, int64(r.Buffered())); err != nil {
				return err
			}
		}
	}
	return copyBytes(w, r, b.length)
}

func copyBytes(w *bufio.Writer, r *bufio.Reader, n int64) error {
	for n > 0 {
		if err := flushBefore(w, r); err != nil {
			return err
		}
		if _, err := r.Peek(1); err != nil {
			return err
		}
		piece, _ := r.Peek(int(min(n, int64(r.Buffered()))))
		if _, err := w.Write(piece); err != nil {
			return err
		}
		n -= int64(len(piece))
		_, _ = r.Discard(len(piece)) // it is buffered
	}
	return nil
}

// flushBefore sends what has come before a read that may wait.
func flushBefore(w *bufio.Writer, r *bufio.Reader) error {
	if r.Buffered() == 0 {
		return w.Flush()
	}
	return nil
}

// copyChunks passes on a body of chunks, and its trailers (RFC 9112, 7.1).
func copyChunks(w *bufio.Writer, r *bufio.Reader) error {
	for {
		line, err := copyLine(w, r)
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
		if err != nil || n < 0 {
			return errors.New("a chunk has no size")
		}
		if n == 0 {
			break
		}
		if err := copyBytes(w, r, n); err != nil {
			return err
		}
		if _, err := copyLine(w, r); err != nil {
			return err
		}
	}
	for {
		if line, err := copyLine(w, r); err != nil || line == "" {
			return err
		}
	}
}

func copyLine(w *bufio.Writer, r *bufio.Reader) (string, error) {
	if err := flushBefore(w, r); err != nil {
		return "", err
	}
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(line), "\r\n")
	_, err = w.Write(line)
	return text, err
}
