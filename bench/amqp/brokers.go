package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"msdev/brokers/embedded/amqp"
)

// broker is one that is measured, in a process or container of its own.
type broker struct {
	name, url string
	pids      []string
	most      int64 // bytes of memory, the most seen
	stop      func()
}

// startAll starts our broker and both lines of RabbitMQ; ours is the first.
func startAll(ctx context.Context) ([]*broker, error) {
	ours, err := startOurs(ctx)
	if err != nil {
		return nil, err
	}
	all := []*broker{ours}
	for _, line := range []struct{ name, image string }{{"RabbitMQ 3.10", "rabbitmq:3-management"}, {"RabbitMQ 4.0", "rabbitmq:4-management"}} {
		b, err := startRabbit(ctx, line.name, line.image)
		if err != nil {
			return all, fmt.Errorf("%s: %w", line.name, err)
		}
		all = append(all, b)
	}
	return all, nil
}

// startOurs starts our broker as a process of its own: this program again.
func startOurs(ctx context.Context) (*broker, error) {
	dir, err := os.MkdirTemp("", "bench-amqp")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-serve", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	return &broker{name: "ours", url: "amqp://guest:guest@" + strings.TrimSpace(address) + "/",
		pids: []string{strconv.Itoa(cmd.Process.Pid)},
		stop: func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
			_ = os.RemoveAll(dir)
		}}, nil
}

// beBroker is the process of our broker. It writes its address to stdout.
func beBroker(dir string) error {
	b, l, err := open(dir)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return b.Serve(context.Background(), l)
}

func open(dir string) (*amqp.Broker, net.Listener, error) {
	b, err := amqp.Open(amqp.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return b, l, err
}

// startTimes is the median time from nothing to a connection that is open.
func startTimes(runs int) (time.Duration, error) {
	var all []time.Duration
	for range runs {
		took, err := startTime()
		if err != nil {
			return 0, err
		}
		all = append(all, took)
	}
	return median(all), nil
}

func startTime() (time.Duration, error) {
	dir, err := os.MkdirTemp("", "bench-amqp")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	began := time.Now()
	b, l, err := open(dir)
	if err != nil {
		return 0, err
	}
	go func() { _ = b.Serve(ctx, l) }() // ends with the broker
	conn, err := client.Dial("amqp://guest:guest@" + l.Addr().String() + "/")
	took := time.Since(began)
	if err == nil {
		err = conn.Close()
	}
	return took, errors.Join(err, b.Close())
}

// startRabbit starts RabbitMQ in a container, and returns when clients can connect.
func startRabbit(ctx context.Context, name, image string) (*broker, error) {
	id, err := docker(ctx, "run", "--detach", "--hostname", "rabbit", image)
	if err != nil {
		return nil, err
	}
	stop := func() { _, _ = docker(context.Background(), "rm", "--force", "--volumes", id) }
	ip, err := docker(ctx, "inspect", "--format", "{{.NetworkSettings.IPAddress}}", id)
	if err != nil {
		stop()
		return nil, err
	}
	b := &broker{name: name, url: "amqp://guest:guest@" + ip + ":5672/", stop: stop}
	for end := time.Now().Add(2 * time.Minute); ; {
		conn, err := client.Dial(b.url)
		if err == nil {
			text, err := docker(ctx, "top", id, "-o", "pid")
			b.pids = strings.Fields(text)
			return b, errors.Join(err, conn.Close())
		}
		if time.Now().After(end) {
			stop()
			return nil, err
		}
		time.Sleep(200 * time.Millisecond) // it tells nobody when it is ready
	}
}

func docker(ctx context.Context, args ...string) (string, error) {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// sample takes note of the memory that a broker's processes hold now.
func (b *broker) sample() {
	var sum int64
	for _, pid := range b.pids {
		sum += resident(pid)
	}
	b.most = max(b.most, sum)
}

// resident is what a process holds in memory, in bytes; 0 of one that is none.
func resident(pid string) int64 {
	file, err := os.Open(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return 0
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
