package kafka

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is a client's connection as the cluster sees it. It passes whole requests only, and only such as can be Kafka's;
// creates the topics that a client asks for; and mends answers: those that name the broker name it as this client reaches
// it, and those that Java's client fails at are such as it takes.
// A request begins with its size (4 bytes, without themselves), key (2), version (2) and correlation id (4); an answer with its
// size (4) and correlation id (4).
type conn struct {
	net.Conn
	gate      *gate
	in        *bufio.Reader
	left      int    // bytes of the present request that the cluster has not read
	advertise string // empty: what the cluster says by itself is right
	closing   sync.Once
	closeErr  error

	mu    sync.Mutex
	mends map[int32]head // requests whose answers are to be mended, by correlation id
}

// head says how a request, and so its answer, is to be read.
type head struct{ key, version int16 }

const (
	headSize   = 12
	maxRequest = 100 << 20 // Kafka's socket.request.max.bytes
)

var errNoKafka = errors.New("it does not speak Kafka's protocol")

func newConn(nc net.Conn, g *gate, advertise string) *conn {
	c := &conn{Conn: nc, gate: g, in: bufio.NewReaderSize(nc, 64<<10), mends: map[int32]head{}}
	if advertise != g.Addr().String() {
		c.advertise = advertise
	}
	return c
}

// Close ends the connection, once.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.closeErr = c.Conn.Close()
		c.gate.using.Done()
	})
	return c.closeErr
}

// Read gives the cluster what is left of a request, or begins the next one.
func (c *conn) Read(p []byte) (int, error) {
	if c.left == 0 {
		if err := c.next(); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.gate.broker.logger.Warn("connection closed", "from", c.RemoteAddr().String(), "error", err)
			}
			return 0, err
		}
	}
	n, err := c.in.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// next waits for the head of a request and looks at it.
func (c *conn) next() error {
	b, err := c.in.Peek(headSize)
	if err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(b)
	key, version, id := int16(binary.BigEndian.Uint16(b[4:])), int16(binary.BigEndian.Uint16(b[6:])), int32(binary.BigEndian.Uint32(b[8:]))
	if size < headSize-4 || size > maxRequest || version < 0 || kmsg.RequestForKey(key) == nil {
		return errNoKafka
	}
	c.left = 4 + int(size)
	if kmsg.Key(key) == kmsg.Metadata {
		c.createTopics(version)
	}
	if mended(kmsg.Key(key), c.advertise) {
		c.mu.Lock()
		c.mends[id] = head{key, version}
		c.mu.Unlock()
	}
	return nil
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// validTopic tells whether Kafka would take a name.
func validTopic(name string) bool { return topicName.MatchString(name) && name != "." && name != ".." }

// createTopics creates the topics that a request for metadata names and that are not there, where the client lets it. A
// request that is larger than any that names topics is left to the cluster.
func (c *conn) createTopics(version int16) {
	b, err := c.in.Peek(min(c.left, c.in.Size()))
	if err != nil || len(b) < c.left || !c.gate.broker.auto {
		return
	}
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(version)
	r := kbin.Reader{Src: b[headSize:]}
	r.NullableString() // the client's id
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() || req.ReadFrom(r.Src) != nil || version >= 4 && !req.AllowAutoTopicCreation {
		return
	}
	for _, t := range req.Topics {
		if t.Topic != nil && validTopic(*t.Topic) {
			c.gate.broker.createTopic(*t.Topic)
		}
	}
}

// createTopic creates a topic where it is missing.
func (b *Broker) createTopic(name string) {
	b.ask(func() {
		if b.cluster.TopicInfo(name) == nil && b.cluster.CreateTopic(name, b.partitions, nil) == nil {
			b.logger.Info("topic created, as a client asked for it", "topic", name, "partitions", b.partitions)
		}
	})
}

// Write sends the client one answer. The cluster writes each as a whole.
func (c *conn) Write(b []byte) (int, error) {
	out, err := c.answer(b)
	if err != nil {
		return 0, err
	}
	if n, err := c.Conn.Write(out); err != nil {
		return min(n, len(b)), err
	}
	return len(b), nil
}

// answer returns an answer as it is to be sent.
func (c *conn) answer(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return b, nil
	}
	id := int32(binary.BigEndian.Uint32(b[4:]))
	c.mu.Lock()
	h, ok := c.mends[id]
	delete(c.mends, id)
	c.mu.Unlock()
	if !ok {
		return b, nil
	}
	resp := kmsg.ResponseForKey(h.key)
	resp.SetVersion(h.version)
	begin := 8
	if resp.IsFlexible() {
		begin++ // an empty set of tags
	}
	if len(b) < begin {
		return b, nil
	}
	if err := resp.ReadFrom(b[begin:]); err != nil {
		return nil, fmt.Errorf("an answer of the cluster cannot be read: %w", err)
	}
	mend(resp, c.advertise)
	out := resp.AppendTo(append([]byte(nil), b[:begin]...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}
