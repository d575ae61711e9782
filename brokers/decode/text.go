package decode

import (
	"encoding/hex"
	"unicode"
	"unicode/utf8"
)

// hexLimit bounds how many bytes a hex dump shows: a person reads the start, and a file holds the rest.
const hexLimit = 64 << 10

func (a *attempt) text(reason string) (Result, bool) {
	if !utf8.Valid(a.Body) {
		return Result{}, false
	}
	for _, r := range string(a.Body) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return Result{}, false
		}
	}
	text, cut := clip(a.Body, a.limit)
	return Result{Format: Text, Reason: reason, Text: text, Cut: cut}, true
}

func (a *attempt) hex(reason string) Result {
	b, cut := a.Body, false
	if most := min(hexLimit, a.limit/5); len(b) > most { // a line of 16 bytes takes 79
		b, cut = b[:most], true
	}
	return Result{Format: Hex, Reason: reason, Text: hex.Dump(b), Cut: cut}
}

// clip returns at most n bytes of valid UTF-8, ending between characters.
func clip(b []byte, n int) (string, bool) {
	if len(b) <= n {
		return string(b), false
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return string(b[:n]), true
}
