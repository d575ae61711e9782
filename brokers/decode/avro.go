package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// avroValue decodes one value that must fill b.
func (a *attempt) avroValue(s *avro.Schema, b []byte, reason string) (Result, error) {
	var v any
	rest, err := s.Decode(b, &v)
	if err != nil {
		return Result{}, err
	}
	if len(rest) > 0 {
		return Result{}, fmt.Errorf("%d bytes are left over", len(rest))
	}
	out, err := s.EncodeJSON(v)
	if err != nil {
		return Result{}, err
	}
	return a.structured(Avro, s.Root().Name, reason, out), nil
}

// mostRows bounds the records that are shown of a container file.
const mostRows = 1000

// avroFile reads a body that is a whole Avro container file: a list of its records.
func (a *attempt) avroFile() (Result, bool) {
	r, err := ocf.NewReader(bytes.NewReader(a.Body), ocf.WithMaxDecompressedBlockBytes(maxExpanded))
	if err != nil {
		a.problem("an Avro file that does not open: %v", err)
		return Result{}, false
	}
	out, n, cut := []byte{'['}, 0, false
	for {
		var v any
		if err = r.Decode(&v); err != nil {
			break
		}
		if cut = n == mostRows || len(out) > a.limit; cut {
			break
		}
		if n++; n > 1 {
			out = append(out, ',')
		}
		if out, err = r.Schema().AppendEncodeJSON(out, v); err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.problem("the Avro file breaks off after %d records: %v", n, err)
		return Result{}, false
	}
	res := a.structured(Avro, r.Schema().Root().Name, "an Avro container file", append(out, ']'))
	res.Cut = res.Cut || cut
	return res, true
}

// messageIndexes reads which message of a .proto file follows, as Confluent's serializers write it: a count and so
// many zig-zag numbers, where a single 0 is short for the first message.
func messageIndexes(b []byte) (path []int, rest []byte, err error) {
	n, size := binary.Varint(b)
	if size <= 0 || n < 0 || n > maxDepth {
		return nil, nil, errTorn
	}
	b = b[size:]
	if n == 0 {
		return []int{0}, b, nil
	}
	for range n {
		i, size := binary.Varint(b)
		if size <= 0 || i < 0 || i > 1<<16 {
			return nil, nil, errTorn
		}
		path, b = append(path, int(i)), b[size:]
	}
	return path, b, nil
}
