/** Runs ZooKeeper and the broker that needs it in one JVM: Pair ZOOKEEPER_PROPERTIES SERVER_PROPERTIES. */
public final class Pair {
    private Pair() {}

    public static void main(String[] args) {
        Thread zookeeper = new Thread(() ->
            org.apache.zookeeper.server.quorum.QuorumPeerMain.main(new String[] {args[0]}), "zookeeper");
        zookeeper.setDaemon(true);
        zookeeper.start();
        kafka.Kafka.main(new String[] {args[1]});
    }
}
