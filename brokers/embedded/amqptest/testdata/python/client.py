"""What an application does with pika, against the broker whose AMQP URL is the first argument.

Each step asserts; the program ends with 0 when all of them held.
"""
import datetime
import decimal
import sys
import uuid

import pika

URL = sys.argv[1]
PREFIX = "amqptest-pika-" + uuid.uuid4().hex[:10] + "-"
PATIENCE = 20  # seconds


def expect(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def refused(what, code, do):
    try:
        do()
    except pika.exceptions.ChannelClosedByBroker as closed:
        expect(what, closed.reply_code, code)
        return
    raise AssertionError(f"{what}: not refused, want {code}")


def publish_and_get(channel):
    """Confirms, all properties, and header types there and back."""
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.confirm_delivery()
    headers = {
        "text": "t", "int": 7, "long": 1 << 40, "bool": True, "none": None, "list": [1, "two", None],
        "table": {"deep": {"er": 1}}, "bytes": b"\x00\xff", "decimal": decimal.Decimal("3.14"),
        "time": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    }
    properties = pika.BasicProperties(
        content_type="application/json", content_encoding="utf-8", headers=headers, delivery_mode=2, priority=3,
        correlation_id="c", reply_to="r", expiration="60000", message_id="m", timestamp=1700000000, type="t",
        user_id="guest", app_id="a", cluster_id="x")
    channel.basic_publish("", queue, b"{}", properties, mandatory=True)
    method, got, body = channel.basic_get(queue, auto_ack=True)
    expect("body", body, b"{}")
    expect("redelivered", method.redelivered, False)
    got_headers, want_headers = dict(got.headers), dict(headers)
    expect("headers", got_headers, want_headers)
    for name in ("content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to",
                 "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id"):
        expect(name, getattr(got, name), getattr(properties, name))
    expect("empty queue", channel.basic_get(queue, auto_ack=True), (None, None, None))
    try:
        channel.basic_publish("", PREFIX + "nowhere", b"x", mandatory=True)
        raise AssertionError("an unroutable mandatory message was not returned")
    except pika.exceptions.UnroutableError as returned:
        expect("return", returned.messages[0].method.reply_code, 312)
    body = bytes(range(256)) * 8192
    channel.basic_publish("", queue, body)
    expect("2 MB", channel.basic_get(queue, auto_ack=True)[2], body)


def consume(connection):
    """Topic routing, prefetch, acks, requeue and dead letters."""
    channel = connection.channel()
    exchange, queue, dead = PREFIX + "topic", PREFIX + "work", PREFIX + "dead"
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    channel.queue_declare(dead, exclusive=True)
    channel.queue_declare(queue, exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-max-length": 10})
    channel.queue_bind(queue, exchange, "order.*.placed")
    for number in range(3):
        channel.basic_publish(exchange, "order.eu.placed", str(number).encode())
    channel.basic_publish(exchange, "order.placed", b"matches nothing")
    channel.basic_qos(prefetch_count=1)
    seen = []
    for method, _, body in channel.consume(queue, inactivity_timeout=PATIENCE):
        if method is None:
            raise AssertionError(f"no delivery, so far {seen}")
        seen.append((body, method.redelivered))
        if body == b"0" and not method.redelivered:
            channel.basic_nack(method.delivery_tag, requeue=True)
        elif body == b"1":
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)
        if body == b"2":
            break
    channel.cancel()
    expect("deliveries", seen, [(b"0", False), (b"0", True), (b"1", False), (b"2", False)])
    for _, properties, body in channel.consume(dead, inactivity_timeout=PATIENCE, auto_ack=True):
        expect("dead letter", body, b"1")
        death = properties.headers["x-death"][0]
        expect("x-death", (death["queue"], death["reason"], death["count"], death["exchange"], death["routing-keys"]),
               (queue, "rejected", 1, exchange, ["order.eu.placed"]))
        break
    channel.cancel()
    channel.close()


def request(connection):
    """A request and its answer through amq.rabbitmq.reply-to."""
    requester, server = connection.channel(), connection.channel()
    queue = server.queue_declare("", exclusive=True).method.queue
    replies = []
    requester.basic_consume("amq.rabbitmq.reply-to", lambda *delivery: replies.append(delivery), auto_ack=True)
    requester.basic_publish("", queue, b"question", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="7"))

    def answer(channel, method, properties, body):
        channel.basic_publish("", properties.reply_to, body + b"!", pika.BasicProperties(correlation_id=properties.correlation_id))
        channel.basic_ack(method.delivery_tag)

    server.basic_consume(queue, answer)
    started = datetime.datetime.now()
    while not replies and (datetime.datetime.now() - started).seconds < PATIENCE:
        connection.process_data_events(time_limit=0.2)
    expect("replies", [(body, properties.correlation_id) for _, _, properties, body in replies], [(b"question!", "7")])
    requester.close()
    server.close()


def transaction(connection):
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.tx_select()
    channel.basic_publish("", queue, b"rolled back")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"committed")
    channel.tx_commit()
    expect("committed", channel.basic_get(queue, auto_ack=True)[2], b"committed")
    expect("no more", channel.basic_get(queue, auto_ack=True)[2], None)


def errors(connection):
    refused("missing queue", 404, lambda: connection.channel().queue_declare(PREFIX + "missing", passive=True))
    refused("missing exchange", 404, lambda: connection.channel().queue_bind(
        connection.channel().queue_declare("", exclusive=True).method.queue, PREFIX + "missing"))
    queue = PREFIX + "durable"
    connection.channel().queue_declare(queue, durable=True)
    refused("inequivalent", 406, lambda: connection.channel().queue_declare(queue, durable=False))
    cancelled = []
    channel = connection.channel()
    channel.add_on_cancel_callback(cancelled.append)
    channel.basic_consume(queue, lambda *_: None)
    connection.channel().queue_delete(queue)
    started = datetime.datetime.now()
    while not cancelled and (datetime.datetime.now() - started).seconds < PATIENCE:
        connection.process_data_events(time_limit=0.2)
    expect("cancelled consumers", len(cancelled), 1)


def login():
    parameters = pika.URLParameters(URL)
    parameters.credentials = pika.PlainCredentials("guest", "wrong")
    try:
        pika.BlockingConnection(parameters)
    except pika.exceptions.ProbableAuthenticationError:
        return
    raise AssertionError("a wrong password was accepted")


def main():
    connection = pika.BlockingConnection(pika.URLParameters(URL))
    publish_and_get(connection.channel())
    consume(connection)
    request(connection)
    transaction(connection)
    errors(connection)
    connection.close()
    login()


main()
