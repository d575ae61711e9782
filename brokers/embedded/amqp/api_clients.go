package amqp

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
)

// clientAPI serves connections, channels and consumers.
type clientAPI struct{ *api }

func (a clientAPI) routes() map[string]handler {
	return map[string]handler{
		"GET /api/connections":                 a.listConnections,
		"GET /api/vhosts/{vhost}/connections":  a.listConnections,
		"GET /api/connections/{name}":          a.getConnection,
		"DELETE /api/connections/{name}":       a.closeConnection,
		"GET /api/connections/{name}/channels": a.connectionChannels,
		"GET /api/channels":                    a.listChannels,
		"GET /api/vhosts/{vhost}/channels":     a.listChannels,
		"GET /api/consumers":                   a.listConsumers,
		"GET /api/consumers/{vhost}":           a.listConsumers,
		"GET /api/channels/{name}":             a.getChannel,
	}
}

// open are the connections past their handshake, of the vhost in the path if there is one.
func (a clientAPI) open(r *http.Request) []*conn {
	var list []*conn
	for _, c := range a.b.connections() {
		if v := part(r, "vhost"); c.opened.Load() && (v == "" || c.vhost.name == v) {
			list = append(list, c)
		}
	}
	return list
}

func addressJSON(out map[string]any, prefix string, addr net.Addr) {
	host, port, _ := net.SplitHostPort(addr.String())
	n, _ := strconv.Atoi(port)
	out[prefix+"host"], out[prefix+"port"] = host, n
}

func (a clientAPI) connectionJSON(c *conn) map[string]any {
	stats := c.stats()
	rates := a.b.metrics.stats(c, stats)
	state := "running"
	if a.b.pressed.Load() {
		state = "blocked"
	}
	out := map[string]any{"name": c.name, "vhost": c.vhost.name, "user": c.user.name, "user_who_performed_action": c.user.name,
		"state": state, "channels": len(c.allChannels()), "channel_max": c.channelMax, "frame_max": c.frameMax,
		"timeout": c.heartbeat.Load() / 1e9, "protocol": "AMQP 0-9-1", "auth_mechanism": c.mechanism, "ssl": false, "type": "network",
		"node": a.b.node, "connected_at": c.since.UnixMilli(), "client_properties": tableJSON(c.properties),
		"user_provided_name": field(c.properties, "connection_name"),
		"recv_oct":           stats["recv_oct"], "send_oct": stats["send_oct"],
		"recv_oct_details": rates["recv_oct_details"], "send_oct_details": rates["send_oct_details"]}
	addressJSON(out, "", c.nc.LocalAddr())
	addressJSON(out, "peer_", c.nc.RemoteAddr())
	return out
}

func (a clientAPI) listConnections(r *http.Request) (any, error) {
	var list []map[string]any
	for _, c := range a.open(r) {
		list = append(list, a.connectionJSON(c))
	}
	return list, nil
}

func (a clientAPI) connection(r *http.Request) (*conn, error) {
	for _, c := range a.b.connections() {
		if c.opened.Load() && c.name == part(r, "name") {
			return c, nil
		}
	}
	return nil, notFound()
}

func (a clientAPI) getConnection(r *http.Request) (any, error) {
	c, err := a.connection(r)
	if err != nil {
		return nil, err
	}
	return a.connectionJSON(c), nil
}

func (a clientAPI) closeConnection(r *http.Request) (any, error) {
	c, err := a.connection(r)
	if err != nil {
		return nil, err
	}
	reason := r.Header.Get("X-Reason")
	if reason == "" {
		reason = "Closed via management plugin"
	}
	c.force(reason)
	return noContent, nil
}

func (ch *channel) name() string { return fmt.Sprintf("%s (%d)", ch.conn.name, ch.id) }

func (a clientAPI) channelJSON(ch *channel) map[string]any {
	c := ch.conn
	stats := a.b.metrics.stats(ch, ch.stats())
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return map[string]any{"name": ch.name(), "number": ch.id, "vhost": c.vhost.name, "user": c.user.name, "node": a.b.node,
		"state": "running", "consumer_count": len(ch.consumers), "messages_unacknowledged": ch.unacked.n,
		"messages_unconfirmed": ch.confirms.pending(), "prefetch_count": ch.prefetch.Load(), "global_prefetch_count": ch.globalLimit,
		"confirm": ch.confirm.Load(), "transactional": ch.transacted.Load(),
		"messages_uncommitted": ch.unsent.Load(), "acks_uncommitted": ch.unsettled.Load(), "message_stats": stats,
		"connection_details": map[string]any{"name": c.name}}
}

func (a clientAPI) channels(list []*conn) []map[string]any {
	out := []map[string]any{}
	for _, c := range list {
		for _, ch := range c.allChannels() {
			out = append(out, a.channelJSON(ch))
		}
	}
	return out
}

func (a clientAPI) listChannels(r *http.Request) (any, error) { return a.channels(a.open(r)), nil }

func (a clientAPI) connectionChannels(r *http.Request) (any, error) {
	c, err := a.connection(r)
	if err != nil {
		return nil, err
	}
	return a.channels([]*conn{c}), nil
}

func (a clientAPI) getChannel(r *http.Request) (any, error) {
	for _, c := range a.open(r) {
		for _, ch := range c.allChannels() {
			if ch.name() == part(r, "name") {
				out := a.channelJSON(ch)
				out["consumer_details"] = a.consumers(func(c *consumer) bool { return c.ch == ch })
				return out, nil
			}
		}
	}
	return nil, notFound()
}

func consumerJSON(c *consumer, active bool) map[string]any {
	status := "up"
	if !active {
		status = "waiting"
	}
	return map[string]any{"consumer_tag": c.tag, "ack_required": !c.noAck, "exclusive": c.exclusive, "prefetch_count": c.prefetch,
		"active": active, "activity_status": status, "arguments": tableJSON(c.args), "consumer_timeout": nil,
		"queue": map[string]any{"name": c.q.name, "vhost": c.q.vhost.name},
		"channel_details": map[string]any{"name": c.ch.name(), "number": c.ch.id, "connection_name": c.ch.conn.name, "user": c.ch.conn.user.name,
			"node": c.q.broker.node, "peer_host": "", "peer_port": 0}}
}

func (a clientAPI) consumers(keep func(*consumer) bool) []map[string]any {
	list := []map[string]any{}
	for _, v := range a.b.allVhosts() {
		for _, q := range v.allQueues() {
			s := q.snapshot()
			for i, c := range s.consumers {
				if keep(c) {
					list = append(list, consumerJSON(c, s.active[i]))
				}
			}
		}
	}
	return list
}

func (a clientAPI) listConsumers(r *http.Request) (any, error) {
	v := part(r, "vhost")
	return a.consumers(func(c *consumer) bool { return v == "" || c.q.vhost.name == v }), nil
}
