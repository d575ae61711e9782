package brokers

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// fileBytes are bytes in a message file: a JSON string where they are UTF-8, {"base64":"…"} where not, and null where
// there are none at all.
type fileBytes []byte

// MarshalJSON writes the form above. It does not escape what HTML would want escaped: a file is read by people.
func (b fileBytes) MarshalJSON() ([]byte, error) {
	switch {
	case b == nil:
		return []byte("null"), nil
	case utf8.Valid(b):
		return jsonString(string(b)), nil
	}
	out := base64.StdEncoding.AppendEncode([]byte(`{"base64":"`), b)
	return append(out, `"}`...), nil
}

// UnmarshalJSON reads the form above.
func (b *fileBytes) UnmarshalJSON(in []byte) error {
	switch in[0] {
	case 'n':
		*b = nil
		return nil
	case '"':
		var s string
		err := json.Unmarshal(in, &s)
		*b = append(fileBytes{}, s...)
		return err
	}
	v := struct {
		Base64 *[]byte `json:"base64"`
	}{}
	if err := strict(in, &v); err != nil || v.Base64 == nil {
		return errors.New(`bytes are a string or {"base64":"…"}`)
	}
	*b = append(fileBytes{}, *v.Base64...)
	return nil
}

func jsonString(s string) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return []byte(`""`) // no string fails
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// strict decodes one JSON value and takes no member that v does not have.
func strict(in []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(in))
	d.DisallowUnknownFields()
	d.UseNumber()
	return d.Decode(v)
}

// fileField is a header in a message file, or with no key an element of an array. Type is left out where it follows
// from the value: a string (Kafka: bytes), true, false and null.
type fileField struct {
	Key   *fileBytes `json:"key,omitempty"`
	Type  string     `json:"type,omitempty"`
	Value any        `json:"value"`
	Scale *uint8     `json:"scale,omitempty"` // of a decimal
	Bits  string     `json:"bits,omitempty"`  // of a float that JSON has no number for: its IEEE 754 bits in hex
}

// fields turns headers into their form in a file. plain is the type that a string stands for: "string" for RabbitMQ,
// "bytes" for Kafka.
func fields(headers Headers, plain string) []fileField {
	out := make([]fileField, 0, len(headers))
	for _, h := range headers {
		f := fieldOf(h.Value, plain)
		key := fileBytes([]byte(h.Key))
		f.Key = &key
		out = append(out, f)
	}
	return out
}

func fieldOf(v any, plain string) fileField {
	switch v := v.(type) {
	case nil:
		return fileField{Type: unless(plain == "bytes", "", "void")}
	case bool:
		return fileField{Value: v}
	case string:
		return fileField{Type: unless(plain != "string", "", "string"), Value: fileBytes([]byte(v))}
	case []byte:
		return fileField{Type: unless(plain != "bytes", "", "bytes"), Value: fileBytes(v)}
	case float32:
		return floatField("float32", float64(v), binary.BigEndian.AppendUint32(nil, math.Float32bits(v)), 32)
	case float64:
		return floatField("float64", v, binary.BigEndian.AppendUint64(nil, math.Float64bits(v)), 64)
	case Decimal:
		return fileField{Type: "decimal", Value: v.Value, Scale: &v.Scale}
	case Timestamp:
		return fileField{Type: "timestamp", Value: wholeNumber(strconv.FormatUint(uint64(v), 10))}
	case Headers:
		return fileField{Type: "table", Value: fields(v, plain)}
	case Array:
		out := make([]fileField, len(v))
		for i, e := range v {
			out[i] = fieldOf(e, plain)
		}
		return fileField{Type: "array", Value: out}
	}
	return fileField{Type: fmt.Sprintf("%T", v), Value: wholeNumber(fmt.Sprint(v))} // int8 … uint64
}

// unless returns yes where the condition holds, and else otherwise.
func unless(condition bool, otherwise, yes string) string {
	if condition {
		return yes
	}
	return otherwise
}

// wholeNumber is a JSON number, or a string where other programs would round it: beyond 2^53.
func wholeNumber(digits string) any {
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n >= -1<<53 && n <= 1<<53 {
		return json.RawMessage(digits)
	}
	return digits
}

func floatField(kind string, f float64, bits []byte, size int) fileField {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fileField{Type: kind, Bits: hex.EncodeToString(bits)}
	}
	return fileField{Type: kind, Value: json.RawMessage(strconv.FormatFloat(f, 'g', -1, size))}
}

// readField is a fileField on its way in, with the value as it stands in the file.
type readField struct {
	Key   *fileBytes      `json:"key"`
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
	Scale uint8           `json:"scale"`
	Bits  string          `json:"bits"`
}

// maxNesting bounds tables and arrays inside each other, as the codec does.
const maxNesting = 64

func readHeaders(all []readField, plain string, depth int) (Headers, error) {
	out := make(Headers, 0, len(all))
	for _, f := range all {
		if f.Key == nil {
			return nil, errors.New("a header has no key")
		}
		v, err := f.read(plain, depth)
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", *f.Key, err)
		}
		out = append(out, Header{Key: string(*f.Key), Value: v})
	}
	return out, nil
}

func (f *readField) read(plain string, depth int) (any, error) {
	if depth > maxNesting {
		return nil, errors.New("it nests too deeply")
	}
	if f.Type != "" {
		return f.typed(plain, depth)
	}
	switch {
	case len(f.Value) == 0:
		return nil, errors.New("it has no value")
	case f.Value[0] == 't' || f.Value[0] == 'f':
		return f.Value[0] == 't', nil
	case f.Value[0] == 'n':
		if plain == "bytes" {
			return []byte(nil), nil
		}
		return nil, nil
	case f.Value[0] == '"' || f.Value[0] == '{':
		return f.bytes(plain)
	}
	return nil, errors.New(`it needs a type, like {"key":"n","type":"int64","value":7}`)
}

func (f *readField) bytes(kind string) (any, error) {
	var b fileBytes
	if err := json.Unmarshal(f.Value, &b); err != nil {
		return nil, err
	}
	if kind == "string" {
		return string(b), nil
	}
	return []byte(b), nil
}

func (f *readField) typed(plain string, depth int) (any, error) {
	if len(f.Value) == 0 && f.Bits == "" && f.Type != "void" {
		return nil, errors.New("it has no value")
	}
	switch f.Type {
	case "void":
		return nil, nil
	case "string", "bytes":
		return f.bytes(f.Type)
	case "float32", "float64":
		return f.float()
	case "decimal":
		n, err := f.unsigned(32)
		return Decimal{Scale: f.Scale, Value: uint32(n)}, err
	case "timestamp":
		n, err := f.unsigned(64)
		return Timestamp(n), err
	case "table", "array":
		var inner []readField
		if err := strict(f.Value, &inner); err != nil {
			return nil, err
		}
		if f.Type == "table" {
			return readHeaders(inner, plain, depth+1)
		}
		return readArray(inner, plain, depth+1)
	}
	return f.integer()
}

func readArray(all []readField, plain string, depth int) (any, error) {
	out := make(Array, len(all))
	for i := range all {
		v, err := all[i].read(plain, depth)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out[i] = v
	}
	return out, nil
}

func (f *readField) digits() string {
	return string(bytes.Trim(f.Value, `"`))
}

func (f *readField) unsigned(bits int) (uint64, error) {
	n, err := strconv.ParseUint(f.digits(), 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%s is no %s", f.Value, f.Type)
	}
	return n, nil
}

func (f *readField) integer() (any, error) {
	sizes := map[string]int{"int8": 8, "int16": 16, "int32": 32, "int64": 64, "uint8": -8, "uint16": -16, "uint32": -32}
	bits, known := sizes[f.Type]
	switch {
	case !known:
		return nil, fmt.Errorf("there is no type %q; there are bool, int8, int16, int32, int64, uint8, uint16, uint32, "+
			"float32, float64, decimal, timestamp, string, bytes, array, table and void", f.Type)
	case bits < 0:
		n, err := f.unsigned(-bits)
		return map[int]any{-8: uint8(n), -16: uint16(n), -32: uint32(n)}[bits], err
	}
	n, err := strconv.ParseInt(f.digits(), 10, bits)
	if err != nil {
		return nil, fmt.Errorf("%s is no %s", f.Value, f.Type)
	}
	return map[int]any{8: int8(n), 16: int16(n), 32: int32(n), 64: n}[bits], nil
}

func (f *readField) float() (any, error) {
	size := 64
	if f.Type == "float32" {
		size = 32
	}
	if f.Bits != "" {
		n, err := strconv.ParseUint(f.Bits, 16, size)
		if size == 32 {
			return math.Float32frombits(uint32(n)), err
		}
		return math.Float64frombits(n), err
	}
	n, err := strconv.ParseFloat(f.digits(), size)
	if err != nil {
		return nil, fmt.Errorf("%s is no %s", f.Value, f.Type)
	}
	if size == 32 {
		return float32(n), nil
	}
	return n, nil
}
