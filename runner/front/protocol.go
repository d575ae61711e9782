package front

import (
	"bytes"
	"strings"
)

// protocol is what a connection speaks, as far as a switch has to know.
type protocol int

const (
	unclear protocol = iota
	other
	http1
	http2
)

// preface is how a connection of HTTP/2 begins that both ends know to speak it (RFC 9113, 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// methods of HTTP/1. A first line that begins with one is read to its end before it is believed.
var methods = []string{"GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ", "OPTIONS ", "TRACE ", "CONNECT "}

// maxLine bounds the first line of what may be a request of HTTP/1.
const maxLine = 8 << 10

// classify tells what a connection speaks by its first bytes.
func classify(head []byte) protocol {
	if n := min(len(head), len(preface)); string(head[:n]) == preface[:n] {
		if n == len(preface) {
			return http2
		}
		return unclear
	}
	for _, m := range methods {
		n := min(len(head), len(m))
		if string(head[:n]) != m[:n] {
			continue
		}
		end := bytes.IndexByte(head, '\n')
		switch {
		case end >= 0 && strings.Contains(string(head[:end]), " HTTP/1."):
			return http1
		case end >= 0 || len(head) > maxLine:
			return other
		}
		return unclear
	}
	return other
}
