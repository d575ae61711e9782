package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Every record is framed as: length of the payload (4 octets), its CRC-32C (4 octets), the payload. A payload starts
// with one octet that says what it is.
const frameSize = 8

// The kinds of log records.
const (
	recPut     = 1 // id, count of homes, homes, flags, payload
	recDrop    = 2 // home, id
	recMark    = 3 // home, id: delivered up to here
	recReturns = 4 // home, id, count
)

const flagVolatile = 1

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errTorn    = errors.New("record is torn")
)

// beginRecord reserves a record's frame; endRecord fills it in.
func beginRecord(b []byte) ([]byte, int) {
	at := len(b)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0), at
}

func endRecord(b []byte, at int) []byte {
	payload := b[at+frameSize:]
	binary.LittleEndian.PutUint32(b[at:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(payload, castagnoli))
	return b
}

func appendNumbers(b []byte, kind byte, numbers ...uint64) []byte {
	b, at := beginRecord(b)
	b = append(b, kind)
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return endRecord(b, at)
}

// nextRecord splits the first record's payload off b, or fails where the record is not whole.
func nextRecord(b []byte) (payload, rest []byte, err error) {
	if len(b) < frameSize {
		return nil, nil, errTorn
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if n == 0 || n > uint64(len(b)-frameSize) {
		return nil, nil, errTorn
	}
	payload = b[frameSize : frameSize+n]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, nil, errTorn
	}
	return payload, b[frameSize+n:], nil
}

// numbers reads unsigned varints.
type numbers struct {
	b   []byte
	bad bool
}

func (n *numbers) next() uint64 {
	v, size := binary.Uvarint(n.b)
	if size <= 0 {
		n.bad = true
		return 0
	}
	n.b = n.b[size:]
	return v
}
