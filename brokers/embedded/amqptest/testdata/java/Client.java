import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.CancelCallback;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DeliverCallback;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Return;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;
import com.rabbitmq.client.RpcServer;
import com.rabbitmq.client.ShutdownSignalException;

import java.util.Arrays;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * What an application does with RabbitMQ's Java client, against the broker whose AMQP URL is the first argument. Each
 * step asserts; the program ends with 0 when all of them held.
 */
public class Client {
    static final long PATIENCE = 20_000; // milliseconds
    static final String PREFIX = "amqptest-java-" + UUID.randomUUID() + "-";

    interface Act {
        void on(Channel channel) throws Exception;
    }

    static void expect(String what, Object got, Object want) {
        if (!Objects.deepEquals(got, want)) {
            throw new AssertionError(what + ": got " + got + ", want " + want);
        }
    }

    static <T> T next(BlockingQueue<T> from, String what) throws InterruptedException {
        T value = from.poll(PATIENCE, TimeUnit.MILLISECONDS);
        if (value == null) {
            throw new AssertionError("no " + what);
        }
        return value;
    }

    static void refused(Connection connection, int code, Act act) throws Exception {
        Channel channel = connection.createChannel();
        BlockingQueue<ShutdownSignalException> closed = new LinkedBlockingQueue<>();
        channel.addShutdownListener(closed::add);
        try {
            act.on(channel);
        } catch (java.io.IOException | ShutdownSignalException e) {
            // the listener tells
        }
        expect("code", ((AMQP.Channel.Close) next(closed, "close with " + code).getReason()).getReplyCode(), code);
    }

    static void publishAndGet(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        channel.confirmSelect();
        String queue = channel.queueDeclare().getQueue();
        Map<String, Object> headers = new LinkedHashMap<>();
        headers.put("int", 7);
        headers.put("long", 1L << 40);
        headers.put("byte", (byte) -1);
        headers.put("short", (short) -300);
        headers.put("float", 0.5f);
        headers.put("double", 0.25);
        headers.put("bool", true);
        headers.put("none", null);
        headers.put("list", Arrays.asList(1, 2L, null));
        headers.put("table", Map.of("deep", Map.of("er", 1)));
        headers.put("bytes", new byte[] {0, -1});
        headers.put("decimal", new java.math.BigDecimal("3.14"));
        headers.put("time", new Date(1700000000000L));
        AMQP.BasicProperties sent = new AMQP.BasicProperties.Builder().contentType("application/json").contentEncoding("utf-8")
            .headers(headers).deliveryMode(2).priority(3).correlationId("c").replyTo("r").expiration("60000").messageId("m")
            .timestamp(new Date(1700000000000L)).type("t").userId("guest").appId("a").clusterId("x").build();
        channel.basicPublish("", queue, true, sent, "{}".getBytes());
        channel.waitForConfirmsOrDie(PATIENCE);
        GetResponse got = channel.basicGet(queue, true);
        expect("body", new String(got.getBody()), "{}");
        Map<String, Object> back = got.getProps().getHeaders();
        expect("number of headers", back.size(), headers.size());
        for (String key : headers.keySet()) {
            expect("header " + key, back.get(key), headers.get(key));
        }
        expect("properties", got.getProps().toString().replaceAll("headers=\\{.*\\}, delivery", "delivery"),
            sent.toString().replaceAll("headers=\\{.*\\}, delivery", "delivery"));

        BlockingQueue<Return> returns = new LinkedBlockingQueue<>();
        channel.addReturnListener(returns::add);
        channel.basicPublish("", PREFIX + "nowhere", true, MessageProperties.MINIMAL_BASIC, new byte[1]);
        expect("return", next(returns, "return").getReplyCode(), 312);

        byte[] body = new byte[2 << 20];
        new java.util.Random(1).nextBytes(body);
        channel.basicPublish("", queue, MessageProperties.PERSISTENT_BASIC, body);
        channel.waitForConfirmsOrDie(PATIENCE);
        expect("2 MB", channel.basicGet(queue, true).getBody(), body);

        for (int i = 0; i < 500; i++) {
            channel.basicPublish("", queue, MessageProperties.PERSISTENT_BASIC, new byte[] {1});
        }
        channel.waitForConfirmsOrDie(PATIENCE);
        expect("messages", channel.messageCount(queue), 500L);
        expect("purged", channel.queuePurge(queue).getMessageCount(), 500);
        channel.close();
    }

    static void consume(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String exchange = PREFIX + "direct", bound = PREFIX + "fanout", queue = PREFIX + "work", dead = PREFIX + "dead";
        channel.exchangeDeclare(exchange, "direct", false, true, null);
        channel.exchangeDeclare(bound, "fanout", false, true, null);
        channel.exchangeBind(bound, exchange, "key");
        channel.queueDeclare(dead, false, true, false, null);
        channel.queueDeclare(queue, false, true, false, Map.of("x-dead-letter-exchange", "", "x-dead-letter-routing-key", dead,
            "x-max-priority", 5));
        channel.queueBind(queue, bound, "");
        for (int i = 0; i < 3; i++) {
            channel.basicPublish(exchange, "key", new AMQP.BasicProperties.Builder().priority(i).build(), ("" + i).getBytes());
        }
        channel.basicPublish(exchange, "other", null, "nowhere".getBytes());
        BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
        while (channel.messageCount(queue) < 3) {
            Thread.onSpinWait();
        }
        channel.basicQos(1);
        String tag = channel.basicConsume(queue, false, (DeliverCallback) (t, d) -> deliveries.add(d), (CancelCallback) t -> { });
        StringBuilder seen = new StringBuilder();
        for (int i = 0; i < 4; i++) {
            Delivery d = next(deliveries, "delivery");
            long number = d.getEnvelope().getDeliveryTag();
            seen.append(new String(d.getBody())).append(d.getEnvelope().isRedeliver() ? "! " : " ");
            if (i == 0) {
                channel.basicNack(number, false, true);
            } else if (i == 2) {
                channel.basicReject(number, false);
            } else {
                channel.basicAck(number, false);
            }
        }
        expect("deliveries by priority", seen.toString(), "2 2! 1 0 ");
        channel.basicCancel(tag);
        channel.basicConsume(dead, true, (DeliverCallback) (t, d) -> deliveries.add(d), (CancelCallback) t -> { });
        Delivery letter = next(deliveries, "dead letter");
        List<?> deaths = (List<?>) letter.getProperties().getHeaders().get("x-death");
        Map<?, ?> death = (Map<?, ?>) deaths.get(0);
        expect("x-death", death.get("queue") + " " + death.get("reason") + " " + death.get("count") + " " + death.get("exchange") + " "
            + death.get("routing-keys"), queue + " rejected 1 " + exchange + " [key]");
        channel.close();
    }

    static void request(Connection connection) throws Exception {
        Channel serving = connection.createChannel(), asking = connection.createChannel();
        String queue = serving.queueDeclare().getQueue();
        RpcServer server = new RpcServer(serving, queue) {
            @Override
            public byte[] handleCall(Delivery request, AMQP.BasicProperties reply) {
                return (new String(request.getBody()) + "!").getBytes();
            }
        };
        Thread loop = new Thread(() -> {
            try {
                server.mainloop();
            } catch (java.io.IOException | ShutdownSignalException e) {
                // the end of the channel ends the server
            }
        });
        loop.start();
        RpcClient client = new RpcClient(new RpcClientParams().channel(asking).exchange("").routingKey(queue).timeout((int) PATIENCE));
        expect("answer", client.stringCall("question"), "question!");
        client.close();
        server.terminateMainloop();
        serving.close();
        loop.join(PATIENCE);
    }

    static void transaction(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = channel.queueDeclare().getQueue();
        channel.txSelect();
        channel.basicPublish("", queue, null, "rolled back".getBytes());
        channel.txRollback();
        channel.basicPublish("", queue, null, "committed".getBytes());
        channel.txCommit();
        expect("committed", new String(channel.basicGet(queue, true).getBody()), "committed");
        expect("no more", channel.basicGet(queue, true), null);
        channel.close();
    }

    static void errors(Connection connection, ConnectionFactory factory) throws Exception {
        refused(connection, 404, channel -> channel.queueDeclarePassive(PREFIX + "missing"));
        refused(connection, 404, channel -> channel.basicPublish(PREFIX + "missing", "", null, new byte[1]));
        refused(connection, 403, channel -> channel.queueDeclare("amq.mine", false, true, true, null));
        String queue = PREFIX + "durable";
        Channel channel = connection.createChannel();
        channel.queueDeclare(queue, true, false, false, null);
        refused(connection, 406, other -> other.queueDeclare(queue, false, false, false, null));
        refused(connection, 406, other -> other.basicAck(9, false));
        BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
        String tag = channel.basicConsume(queue, true, (DeliverCallback) (t, d) -> { }, (CancelCallback) cancelled::add);
        connection.createChannel().queueDelete(queue);
        expect("cancelled", next(cancelled, "cancel"), tag);
        factory.setPassword("wrong");
        try {
            factory.newConnection();
            throw new AssertionError("a wrong password was accepted");
        } catch (AuthenticationFailureException e) {
            // as it should be
        }
    }

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(arguments[0]);
        factory.setAutomaticRecoveryEnabled(false);
        try (Connection connection = factory.newConnection()) {
            publishAndGet(connection);
            consume(connection);
            request(connection);
            transaction(connection);
            errors(connection, factory);
        }
    }
}
