package brokers

import "testing"

func TestTrace(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, c := range []struct {
		name string
		h    Headers
		want string
	}{
		{"none", Headers{{Key: "x", Value: "y"}}, ""},
		{"traceparent, AMQP", Headers{{Key: "traceparent", Value: "00-" + id + "-00f067aa0ba902b7-01"}}, id},
		{"traceparent, Kafka", Headers{{Key: "TraceParent", Value: []byte("00-" + id + "-00f067aa0ba902b7-01")}}, id},
		{"not text", Headers{{Key: "traceparent", Value: int64(5)}}, ""},
		{"null", Headers{{Key: "traceparent", Value: []byte(nil)}}, ""},
		{"rubbish, then b3", Headers{{Key: "traceparent", Value: "trace=" + id + " x"}, {Key: "b3", Value: id + "-00f067aa0ba902b7-1"}}, id},
		{"Zipkin's 64 bits", Headers{{Key: "X-B3-TraceId", Value: "a3ce929d0e0e4736"}}, "0000000000000000a3ce929d0e0e4736"},
		{"Jaeger", Headers{{Key: "uber-trace-id", Value: []byte(id + ":1:0:1")}}, id},
	} {
		m := Message{Headers: c.h}
		if got := m.Trace(); got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	m := Message{Key: []byte("k"), Body: []byte{}, Headers: Headers{{Key: "h", Value: []byte("v")}, {Key: "null", Value: []byte(nil)}}}
	c := m.Clone()
	m.Key[0], m.Headers[0].Value.([]byte)[0] = 'x', 'x'
	if string(c.Key) != "k" || string(c.Headers[0].Value.([]byte)) != "v" {
		t.Errorf("changed with its original: %+v", c)
	}
	if c.Body == nil {
		t.Error("an empty body became null")
	}
	if v := c.Headers[1].Value; v.([]byte) != nil {
		t.Errorf("a null header became %v", v)
	}
	if (&Message{}).Size() >= m.Size() {
		t.Error("content has no size")
	}
}
