package decode

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const (
	maxLayers   = 3        // compressions inside each other
	maxExpanded = 32 << 20 // bytes that a compressed body may grow to
)

// magics are the first bytes by which compressed bodies are known where no content-encoding names them.
var magics = []struct{ name, prefix string }{
	{"gzip", "\x1f\x8b\x08"},
	{"zstd", "\x28\xb5\x2f\xfd"},
	{"lz4", "\x04\x22\x4d\x18"},
	{"snappy", snappyStream},
	{"snappy", snappyJava},
}

const (
	snappyStream = "\xff\x06\x00\x00sNaPpY"
	snappyJava   = "\x82SNAPPY\x00"
)

// expand opens the compressions of the body: those that content-encoding names, the last one first, and then
// whatever shows its magic bytes.
func (a *attempt) expand() (layers []string, cut bool) {
	names := strings.Split(a.ContentEncoding, ",")
	for len(layers) < maxLayers && !cut {
		var name string
		if n := len(names); n > 0 {
			name, names = strings.ToLower(strings.TrimSpace(names[n-1])), names[:n-1]
			if !compression(name) {
				continue
			}
		} else if name = magic(a.Body); name == "" {
			break
		}
		body, over, err := open(name, a.Body)
		if err != nil {
			a.problem("%s does not open: %v", name, err)
			break
		}
		a.Body, cut = body, over
		layers = append(layers, name)
	}
	return layers, cut
}

// compression tells names of compressions from what else people write there: utf-8, identity, binary …
func compression(name string) bool {
	switch name {
	case "gzip", "x-gzip", "zstd", "lz4", "snappy", "x-snappy", "deflate", "zlib", "br":
		return true
	}
	return false
}

func magic(b []byte) string {
	for _, m := range magics {
		if len(b) > len(m.prefix) && string(b[:len(m.prefix)]) == m.prefix {
			return m.name
		}
	}
	return ""
}

// open expands up to maxExpanded bytes; over tells that there was more. A torn stream gives what it held, as an
// error only if that is nothing.
func open(name string, b []byte) (body []byte, over bool, err error) {
	if name == "br" {
		return nil, false, errors.New("Brotli is not read here")
	}
	if strings.HasSuffix(name, "snappy") {
		return openSnappy(b)
	}
	r, stop, err := stream(name, b)
	if err != nil {
		return nil, false, err
	}
	defer stop()
	body, err = io.ReadAll(io.LimitReader(r, maxExpanded+1))
	if err != nil && len(body) == 0 {
		return nil, false, err
	}
	if len(body) > maxExpanded {
		return body[:maxExpanded], true, nil
	}
	return body, err != nil, nil
}

func stream(name string, b []byte) (io.Reader, func(), error) {
	none := func() {}
	switch name {
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(bytes.NewReader(b))
		return r, none, err
	case "zstd":
		r, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxExpanded))
		if err != nil {
			return nil, none, err
		}
		return r, r.Close, nil
	case "lz4":
		return lz4.NewReader(bytes.NewReader(b)), none, nil
	}
	if r, err := zlib.NewReader(bytes.NewReader(b)); err == nil {
		return r, none, nil
	}
	return flate.NewReader(bytes.NewReader(b)), none, nil // some call the bare stream "deflate" too
}

// openSnappy opens the three forms in use: the framed stream, the blocks of Java's library, and one bare block.
func openSnappy(b []byte) (body []byte, over bool, err error) {
	switch {
	case bytes.HasPrefix(b, []byte(snappyStream)):
		body, err = io.ReadAll(io.LimitReader(s2.NewReader(bytes.NewReader(b)), maxExpanded+1))
		if len(body) > maxExpanded {
			return body[:maxExpanded], true, nil
		}
		if err != nil && len(body) > 0 {
			return body, true, nil
		}
		return body, false, err
	case bytes.HasPrefix(b, []byte(snappyJava)) && len(b) >= 16:
		return openBlocks(b[16:])
	}
	body, err = openBlock(b, maxExpanded)
	return body, false, err
}

func openBlocks(b []byte) (body []byte, over bool, err error) {
	for len(b) > 0 {
		if len(b) < 4 || int64(binary.BigEndian.Uint32(b)) > int64(len(b)-4) {
			return body, true, nil
		}
		n := int(binary.BigEndian.Uint32(b))
		block, err := openBlock(b[4:4+n], maxExpanded-len(body))
		if err != nil {
			return nil, false, err
		}
		body, b = append(body, block...), b[4+n:]
	}
	return body, false, nil
}

func openBlock(b []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("it would grow to %d bytes; %d are opened at most", n, maxExpanded)
	}
	return s2.Decode(nil, b)
}
