package amqptest

import (
	"fmt"
	"net/http"

	amqp "github.com/rabbitmq/amqp091-go"
)

func firehoseChecks() []check {
	return []check{
		// One check, because RabbitMQ may lose one of two changes of tracing that are made at once.
		{"off by default, publish and deliver events, and off again", func(k *kit) {
			firehose(k)
			firehoseOff(k)
		}},
	}
}

func (k *kit) tracing(vhost string, on bool) {
	k.Helper()
	k.api().want(http.MethodPut, "/vhosts/"+vhost, object{"tracing": on}, http.StatusNoContent)
	k.shows("vhost "+vhost, k.api().object("/vhosts/"+vhost), object{"tracing": on})
}

func firehose(k *kit) {
	vhost := k.vhost()
	ch, tap := k.inVhost(vhost), k.inVhost(vhost) // open before tracing starts: they are covered too
	exchange, queue := k.exchangeIn(ch, "direct"), k.queue(ch, nil)
	k.bind(ch, queue, "key", exchange, nil)
	traces := k.queue(tap, nil)
	k.bind(tap, traces, "#", "amq.rabbitmq.trace", nil)
	events, err := tap.Consume(traces, "", true, false, false, false, nil)
	k.must(err, "consume the trace")
	k.tracing(vhost, true)

	k.publish(ch, exchange, "key", amqp.Publishing{Headers: amqp.Table{"h": "v"}, MessageId: "m", Body: []byte("body")})
	event := receive(k, events, "publish event")
	k.equal("publish", []any{event.Exchange, event.RoutingKey, string(event.Body)}, []any{"amq.rabbitmq.trace", "publish." + exchange, "body"})
	h := event.Headers
	k.equal("publish headers", []any{h["exchange_name"], h["routing_keys"], h["routed_queues"], h["vhost"], h["user"]},
		[]any{exchange, []any{"key"}, []any{queue}, vhost, User})
	k.equal("connection, channel and node are told", []bool{h["connection"] != nil, h["channel"] != nil, h["node"] != nil}, []bool{true, true, true})
	properties, _ := h["properties"].(amqp.Table)
	k.equal("properties", []any{properties["message_id"], fmt.Sprint(properties["headers"])}, []any{"m", "map[h:v]"})

	k.get(ch, queue, false)
	event = receive(k, events, "deliver event")
	k.equal("deliver", []any{event.RoutingKey, string(event.Body), event.Headers["redelivered"], event.Headers["exchange_name"]},
		[]any{"deliver." + queue, "body", event.Headers["redelivered"], exchange})
	k.equal("redelivered", fmt.Sprint(event.Headers["redelivered"]), "0")

	k.send(ch, exchange, "unknown", "dropped")
	event = receive(k, events, "publish event")
	k.equal("unroutable", []any{event.RoutingKey, fmt.Sprint(event.Headers["routed_queues"])}, []any{"publish." + exchange, "[]"})
	k.send(ch, "", queue, "through the default exchange")
	event = receive(k, events, "publish event")
	k.equal("default exchange", []any{event.RoutingKey, event.Headers["routing_keys"]}, []any{"publish.", []any{queue}})
}

// exchangeIn declares an exchange that goes with its virtual host.
func (k *kit) exchangeIn(ch *amqp.Channel, kind string) string {
	k.Helper()
	name := k.name(kind)
	k.must(ch.ExchangeDeclare(name, kind, true, false, false, false, nil), "declare")
	return name
}

func firehoseOff(k *kit) {
	vhost := k.vhost()
	ch := k.inVhost(vhost)
	queue, traces := k.queue(ch, nil), k.queue(ch, nil)
	k.bind(ch, traces, "#", "amq.rabbitmq.trace", nil)
	k.send(ch, "", queue, "not traced")
	k.tracing(vhost, true)
	k.send(ch, "", queue, "traced")
	k.equal("traced", string(k.await(ch, traces).Body), "traced")
	k.drain(ch, traces) // our own look at the queue was traced as well
	k.tracing(vhost, false)
	k.send(ch, "", queue, "not traced any more")
	k.equal("traces", k.ready(ch, traces), 0)
}
