package kafka

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"msdev/testenv"
)

// output runs a tool and returns what it says.
func output(t *testing.T, cmd *exec.Cmd, stdin string) string {
	t.Helper()
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args[max(0, len(cmd.Args)-6):], " "), err, out)
	}
	return string(out)
}

// Kafka's own tools work with it as with a broker of their own.
func TestKafkaTools(t *testing.T) {
	kafka := testenv.KafkaDir(t, "4.1")
	b := start(t, Options{Dir: t.TempDir()})
	tool := func(class, stdin string, args ...string) string {
		t.Helper()
		return output(t, kafka.Tool(within(t), class, append([]string{"--bootstrap-server", b.Addr()}, args...)...), stdin)
	}
	tool("org.apache.kafka.tools.TopicCommand", "", "--create", "--topic", "orders", "--partitions", "2")
	if out := tool("org.apache.kafka.tools.TopicCommand", "", "--describe", "--topic", "orders"); !strings.Contains(out, "PartitionCount: 2") {
		t.Errorf("described as %s", out)
	}
	tool("org.apache.kafka.tools.ConsoleProducer", "k1:a\nk2:b\nk3:c\n", "--topic", "orders",
		"--property", "parse.key=true", "--property", "key.separator=:")
	tool("org.apache.kafka.tools.ConsoleProducer", "x\n", "--topic", "appears")
	if out := tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "", "--topic", "orders", "--group", "g", "--from-beginning", "--max-messages", "3"); strings.Count(out, "\n") < 3 {
		t.Errorf("consumed %s", out)
	}
	if out := tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "", "--describe", "--group", "g", "--offsets"); !strings.Contains(out, "orders") {
		t.Errorf("group %s", out)
	}
	if out := tool("org.apache.kafka.tools.GetOffsetShell", "", "--topic", "appears"); !strings.Contains(out, "appears:0:1") {
		t.Errorf("offsets %s", out)
	}
}

func TestKcat(t *testing.T) {
	kcat := testenv.Tool(t, "kcat")
	b := start(t, Options{})
	run := func(stdin string, args ...string) string {
		t.Helper()
		return output(t, exec.CommandContext(within(t), kcat, append([]string{"-b", b.Addr()}, args...)...), stdin)
	}
	run("a\nb\nc\n", "-P", "-t", "orders", "-H", "trace=1")
	if out := run("", "-C", "-t", "orders", "-e", "-q", "-f", "%o %s %h\n"); out != "0 a trace=1\n1 b trace=1\n2 c trace=1\n" {
		t.Errorf("consumed %q", out)
	}
	if out := run("", "-L"); !strings.Contains(out, fmt.Sprintf("broker 0 at %s", b.Addr())) || !strings.Contains(out, `topic "orders" with 1 partitions`) {
		t.Errorf("listed %s", out)
	}
	if out := run("", "-G", "g", "orders", "-e", "-q", "-o", "beginning"); !strings.Contains(out, "c") {
		t.Errorf("a group consumed %q", out)
	}
}
