// Package kafka runs real Apache Kafka brokers as processes, one a test, with data that is thrown away.
package kafka

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// A Line is one release of Kafka in a folder: libs/ with its jars beside the files of testenv/kafka/NAME.
type Line struct{ Dir string }

// A Broker is a running one-node cluster.
type Broker struct {
	// Address is host:port for clients.
	Address string
	// Secure is host:port for clients over TLS that say who they are; empty unless it was started so.
	Secure string
	// Log is the file that holds all that the broker wrote.
	Log string

	process *os.Process
	ended   chan struct{}
}

// Kill ends the broker at once, and returns when it has ended.
func (b *Broker) Kill() {
	_ = b.process.Kill()
	<-b.ended
}

// stop ends the broker in order, so that the JVM does what it does at its end.
func (b *Broker) stop() {
	_ = b.process.Signal(syscall.SIGTERM)
	<-b.ended
}

// Prepare makes what lets brokers start fast: a formatted data folder to copy, where the release formats its folders, and
// an archive of loaded classes. It takes seconds and is done once.
func (l Line) Prepare(ctx context.Context, log io.Writer) error {
	for _, made := range []string{"template", "classes.jsa", "prepare"} {
		if err := os.RemoveAll(l.path(made)); err != nil {
			return err
		}
	}
	defer os.RemoveAll(l.path("prepare"))
	var err error
	if l.hasZooKeeper() {
		err = l.compilePair(ctx, log)
	} else {
		err = l.format(ctx, log)
	}
	if err != nil {
		return err
	}
	broker, err := l.Start(ctx, l.path("prepare", "data"), "-XX:ArchiveClassesAtExit="+l.path("classes.jsa"))
	if err != nil {
		return err
	}
	broker.stop()
	return nil
}

// format keeps a formatted data folder, because formatting one costs a start of the JVM.
func (l Line) format(ctx context.Context, log io.Writer) error {
	properties := l.path("prepare", "server.properties")
	if err := l.fill("server.properties", properties, places{Port: 9092, Controller: 9093, Data: l.path("template")}); err != nil {
		return err
	}
	const cluster = "5L6g3nShT-eMCtK--X86sw"
	cmd := l.Tool(ctx, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", properties)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

// compilePair makes the class that runs ZooKeeper and the broker in one JVM. It becomes a jar, because an archive of
// classes takes none from folders.
func (l Line) compilePair(ctx context.Context, log io.Writer) error {
	out := l.path("prepare", "classes")
	for _, args := range [][]string{
		{"javac", "-cp", l.classPath(), "-d", out, l.path("Pair.java")},
		{"jar", "--create", "--file", l.path("libs", "pair.jar"), "-C", out, "."},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
	}
	return nil
}

// Start starts a broker on free ports of 127.0.0.1 with the data in a folder that it makes if need be, and returns when
// clients can use it. jvm are more options for the JVM. The broker ends with Kill, or when ctx does.
func (l Line) Start(ctx context.Context, data string, jvm ...string) (*Broker, error) {
	return l.startAs(ctx, data, nil, jvm)
}

func (l Line) startAs(ctx context.Context, data string, security *Security, jvm []string) (*Broker, error) {
	var err error
	// Another process can take a free port before the broker does.
	for range 3 {
		var broker *Broker
		broker, err = l.start(ctx, data, security, jvm)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return broker, err
		}
	}
	return nil, err
}

// places are what a properties file leaves open. Controller is the port of the controller, or of ZooKeeper.
type places struct {
	Port, Controller int
	Data             string
}

func (l Line) start(ctx context.Context, data string, security *Security, jvm []string) (*Broker, error) {
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(data, 0o755); err != nil {
			return nil, err
		}
		if err := os.CopyFS(data, os.DirFS(l.path("template"))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	at := places{Port: ports[0], Controller: ports[1], Data: data}
	class, args := "kafka.Kafka", []string{data + ".properties"}
	if err := l.fill("server.properties", args[0], at); err != nil {
		return nil, err
	}
	if security != nil {
		if err := security.add(args[0], at, ports[2]); err != nil {
			return nil, err
		}
	}
	if l.hasZooKeeper() {
		class, args = "Pair", []string{data + "-zookeeper.properties", args[0]}
		if err := l.fill("zookeeper.properties", args[0], at); err != nil {
			return nil, err
		}
	}
	if archive := l.path("classes.jsa"); exists(archive) {
		jvm = append(slices.Clone(jvm), "-XX:SharedArchiveFile="+archive)
	}
	broker, err := launch(l.java(ctx, l.logging(""), jvm, class, args...), data+".log", at.Port)
	if err == nil && security != nil {
		broker.Secure = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[2]))
	}
	return broker, err
}

// startLimit is how long a broker may take to start. It takes 2 seconds on a machine that does nothing else.
const startLimit = 3 * time.Minute

// launch starts the JVM and reads what it says until it says that the broker has started.
func launch(cmd *exec.Cmd, log string, port int) (*Broker, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	cmd.Stderr = cmd.Stdout
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	broker := &Broker{
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Log: log,
		process: cmd.Process, ended: make(chan struct{}),
	}
	started := make(chan struct{})
	go func() {
		defer close(broker.ended)
		defer file.Close()
		lines := bufio.NewReader(said)
		for seen := false; ; {
			line, err := lines.ReadString('\n')
			_, _ = file.WriteString(line)
			if !seen && strings.Contains(line, "started (kafka.server.Kafka") {
				seen = true
				close(started)
			}
			if err != nil {
				break
			}
		}
		_ = cmd.Wait()
	}()
	select {
	case <-started:
		return broker, nil
	case <-broker.ended:
		return nil, failure(log)
	case <-time.After(startLimit):
		broker.Kill()
		return nil, fmt.Errorf("not ready after %v: %w", startLimit, failure(log))
	}
}

// failure is the error of a broker that did not start, with the end of its log.
func failure(log string) error {
	content, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	err = fmt.Errorf("the broker ended; its log %s ends with:\n%s", log, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	if strings.Contains(string(content), "Address already in use") {
		return errors.Join(err, syscall.EADDRINUSE)
	}
	return err
}

// Tool is one of Kafka's command-line tools, by its class: org.apache.kafka.tools.TopicCommand in 4.1,
// kafka.admin.TopicCommand in 2.8.
func (l Line) Tool(ctx context.Context, class string, args ...string) *exec.Cmd {
	return l.java(ctx, l.logging("tools-"), nil, class, args...)
}

// java runs a class. The class path is a list of jars in a fixed order: an archive of classes holds for exactly one.
func (l Line) java(ctx context.Context, logging string, options []string, class string, args ...string) *exec.Cmd {
	all := slices.Concat([]string{
		"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:cds=off", "-Xlog:cds+dynamic=off", logging,
	}, options, []string{"-cp", l.classPath(), class}, args)
	return exec.CommandContext(ctx, "java", all...)
}

func (l Line) classPath() string {
	jars, _ := filepath.Glob(l.path("libs", "*.jar")) // sorted; the pattern is well-formed
	return strings.Join(jars, string(os.PathListSeparator))
}

// logging is the option that names the logging's settings, for the broker or for the tools.
func (l Line) logging(prefix string) string {
	if file := l.path(prefix + "log4j2.properties"); exists(file) {
		return "-Dlog4j2.configurationFile=" + file
	}
	return "-Dlog4j.configuration=file:" + l.path(prefix+"log4j.properties")
}

func (l Line) hasZooKeeper() bool { return exists(l.path("zookeeper.properties")) }

func (l Line) path(parts ...string) string {
	return filepath.Join(append([]string{l.Dir}, parts...)...)
}

// fill writes a properties file with its places filled in.
func (l Line) fill(name, to string, at places) error {
	form, err := template.ParseFiles(l.path(name))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(form.Execute(file, at), file.Close())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// freePorts are ports of 127.0.0.1 on which nothing listens.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
