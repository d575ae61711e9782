package amqptest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"msdev/brokers/embedded/amqp"
	"msdev/brokers/embedded/amqptest"
)

// dataVar, when set, makes this test binary an embedded broker that keeps its data in the folder it names. A broker in
// a process of its own can be killed.
const dataVar = "AMQPTEST_BROKER_DATA"

func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv(dataVar); ok {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, "embedded broker:", err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

// serve runs a broker until SIGTERM, or until standard input ends, so that it never outlives its parent. It prints the
// two addresses that it listens on.
func serve(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	broker, err := amqp.Open(amqp.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, broker.Close())
	}
	management, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, clients.Close(), broker.Close())
	}
	web := http.Server{Handler: broker.Management()}
	served := make(chan error, 1)
	go func() { served <- web.Serve(management) }()
	fmt.Println(clients.Addr(), management.Addr())
	err = errors.Join(broker.Serve(ctx, clients), broker.Close(), web.Close())
	if webErr := <-served; !errors.Is(webErr, http.ErrServerClosed) {
		err = errors.Join(err, webErr)
	}
	return err
}

// embedded is the embedded broker in a child process.
type embedded struct {
	dir              string
	log              io.Writer // of the test that owns the broker: the checks that restart it end earlier
	process          *exec.Cmd
	stdin            io.Closer
	addr, management string
}

func (e *embedded) Addr() string       { return e.addr }
func (e *embedded) Management() string { return "http://" + e.management }

// Profile is RabbitMQ 4.0's, but for headers, which the embedded broker passes on byte for byte, the code of AMQP for an
// unknown exchange type, and AMQP 1.0, which it does not speak.
func (e *embedded) Profile() amqptest.Profile {
	p := profile40()
	p.SortsHeaders, p.SpeaksAMQP10, p.UnknownExchangeType = false, false, 503
	return p
}

func (e *embedded) start(t *testing.T) {
	t.Helper()
	e.process = exec.Command(os.Args[0])
	e.process.Env = append(os.Environ(), dataVar+"="+e.dir)
	e.process.Stderr = e.log
	stdin, err := e.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	e.stdin = stdin
	stdout, err := e.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.process.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the embedded broker did not start: %v, %v", err, e.process.Wait())
	}
	e.addr, e.management, _ = strings.Cut(strings.TrimSpace(line), " ")
}

// end ends the child by sig and returns its outcome.
func (e *embedded) end(sig os.Signal) error {
	err := e.process.Process.Signal(sig)
	return errors.Join(err, e.process.Wait(), e.stdin.Close())
}

func (e *embedded) Restart(t *testing.T) {
	t.Helper()
	if err := e.end(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatalf("the embedded broker's end: %v", err)
	}
	e.start(t)
}

func (e *embedded) Kill(t *testing.T) {
	t.Helper()
	_ = e.end(os.Kill) // its outcome is that it was killed
	e.start(t)
}

func startEmbedded(t *testing.T) *embedded {
	t.Helper()
	e := &embedded{dir: t.TempDir(), log: t.Output()}
	e.start(t)
	t.Cleanup(func() {
		if err := e.end(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("the embedded broker's end: %v", err)
		}
	})
	return e
}
