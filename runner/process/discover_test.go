package process

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"msdev/runner"
	"msdev/testenv"
)

func TestRewrite(t *testing.T) {
	find := func(name string, port int) (string, bool) {
		switch name {
		case "orders", "my.orders":
			return fmt.Sprintf("127.0.0.1:%d", port+10000), true
		case "db":
			return fmt.Sprintf("172.18.0.2:%d", port), true
		}
		return "", false
	}
	for _, test := range []struct{ text, want string }{
		{"orders:50051", "127.0.0.1:60051"},
		{"http://orders:80/path?to=db:1", "http://127.0.0.1:10080/path?to=172.18.0.2:1"},
		{"amqp://guest:guest@orders:5672/", "amqp://guest:guest@127.0.0.1:15672/"},
		{"amqp://guest:guest@orders/", "amqp://guest:guest@127.0.0.1:15672/"},
		{"amqp://orders:1234@db:5672/", "amqp://orders:1234@172.18.0.2:5672/"},
		{"postgresql+asyncpg://u:p@db/shop", "postgresql+asyncpg://u:p@172.18.0.2:5432/shop"},
		{"redis://db", "redis://172.18.0.2:6379"},
		{"http://orders.example.com/", "http://orders.example.com/"},
		{"gopher://orders/", "gopher://orders/"},
		{"orders:9092,db:9092, orders:9093", "127.0.0.1:19092,172.18.0.2:9092, 127.0.0.1:19093"},
		{"1@orders:9093", "1@127.0.0.1:19093"},
		{"PLAINTEXT://orders:9092", "PLAINTEXT://127.0.0.1:19092"},
		{"my.orders:80", "127.0.0.1:10080"},
		{"my-orders:80", "my-orders:80"},
		{"orders-2:80", "orders-2:80"},
		{"orders:80abc", "orders:80abc"},
		{"orders:7-alpine", "orders:7-alpine"},
		{"orders:8080:80", "orders:8080:80"},
		{"other:80", "other:80"},
		{"orders", "orders"},
		{"", ""},
	} {
		if got := rewrite(test.text, find); got != test.want {
			t.Errorf("%q became %q, not %q", test.text, got, test.want)
		}
	}
	env := map[string]string{"DB_HOST": "db", "DB_PORT": "5432", "PGHOST": "orders", "PGPORT": "5432", "HOST": "0.0.0.0", "PORT": "80", "X_HOST": "elsewhere", "X_PORT": "1"}
	rewritePairs(env, find)
	want := map[string]string{"DB_HOST": "172.18.0.2", "DB_PORT": "5432", "PGHOST": "127.0.0.1", "PGPORT": "15432", "HOST": "0.0.0.0", "PORT": "80", "X_HOST": "elsewhere", "X_PORT": "1"}
	for key, value := range want {
		if env[key] != value {
			t.Errorf("%s=%s, not %s", key, env[key], value)
		}
	}
}

func TestWords(t *testing.T) {
	shell := func(text string) []string { return []string{"/bin/sh", "-c", text} }
	for _, test := range []struct {
		text string
		want []string
	}{
		{"./bin/orders", []string{"./bin/orders"}},
		{`go run  ./cmd/x -v 'a b' "c \"d\""`, []string{"go", "run", "./cmd/x", "-v", "a b", `c "d"`}},
		{`a\ b ''`, []string{"a b", ""}},
		{"npm run dev -- --port=80", []string{"npm", "run", "dev", "--", "--port=80"}},
		{"a && b", shell("a && b")},
		{"echo $HOME", shell("echo $HOME")},
		{`echo "$HOME"`, shell(`echo "$HOME"`)},
		{"echo '$HOME'", []string{"echo", "$HOME"}},
		{"ls *.go", shell("ls *.go")},
		{"X=1 run", shell("X=1 run")},
		{"cd x", shell("cd x")},
		{"~/bin/x", shell("~/bin/x")},
		{"x 'open", shell("x 'open")},
		{"", nil},
	} {
		if got := words(test.text); !slices.Equal(got, test.want) {
			t.Errorf("%q became %q, not %q", test.text, got, test.want)
		}
	}
}

const pair = `
services:
  orders:
    image: none
    hostname: orders-host
    environment: {PORT: "8080", PEER: "http://payments:8080/x", DB: "postgres://u:p@db/shop", SELF: "{{.Port 9090}}"}
    ports: ["%d:8080"]
    x-msdev: {run: "%s serve"}
  payments:
    image: none
    expose: ["8080"]
    networks: {default: {aliases: [pay]}}
    env_file: [pay.env]
    x-msdev: {run: "%s serve", env: {PORT: "{{.Port 8080}}", PEER: orders-host:8080}}
  fixed:
    image: none
    expose: ["7071/udp", "7072-7073"]
    environment: {PORT: "99", PEER: "pay:8080"}
    x-msdev: {run: [run, "{{.Port 7072}}", "orders:8080"]}
  db: {image: postgres}
`

func TestEnvironment(t *testing.T) {
	text := strings.Replace(fmt.Sprintf(pair, 18099, testApp, testApp), "env_file: [pay.env]", "environment: {BROKERS: \"orders:8080,db:1\"}", 1)
	p := project(t, text)
	r, err := New(p, Options{StateDir: t.TempDir(), Environ: []string{"PATH=/bin", "PORT=1"}, Native: func(s string) bool { return s != "db" },
		Peer: func(service string, port int) (string, bool) {
			return "172.18.0.9:" + strconv.Itoa(port), service == "db" && port != 1
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	at := func(service string, port int) string { return strconv.Itoa(r.ports.find(service, port).actual) }
	if at("orders", 8080) == at("payments", 8080) || at("orders", 8080) == "8080" {
		t.Errorf("both services have port %s", at("orders", 8080))
	}
	for service, want := range map[string][]string{
		"orders": {"DB=postgres://u:p@172.18.0.9:5432/shop", "PEER=http://127.0.0.1:" + at("payments", 8080) + "/x",
			"PORT=" + at("orders", 8080), "SELF=" + at("orders", 9090)},
		"payments": {"BROKERS=127.0.0.1:" + at("orders", 8080) + ",db:1", "PEER=127.0.0.1:" + at("orders", 8080), "PORT=" + at("payments", 8080)},
		"fixed":    {"PEER=127.0.0.1:" + at("payments", 8080), "PORT=99"},
	} {
		got, err := r.Environment(service)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q (%v)", service, got, want, err)
		}
	}
	if e := r.ports.find("fixed", 7073); e == nil || e.given || e.actual != 7073 {
		t.Errorf("a port that cannot be handed over: %+v", e)
	}
	if e := r.ports.find("fixed", 7072); e == nil || !e.given {
		t.Errorf("a port that a template asks for: %+v", e)
	}
	before := at("orders", 8080)
	if err := r.Use(t.Context(), p); err != nil || at("orders", 8080) != before {
		t.Errorf("after another look orders is at %s, not %s (%v)", at("orders", 8080), before, err)
	}
}

func TestCollisions(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"two fixed", "services:\n  a: {image: x, expose: [\"7080\"], x-msdev: {run: a}}\n  b: {image: x, expose: [\"7080\"], x-msdev: {run: b}}\n", "7080"},
		{"published on fixed", "services:\n  a: {image: x, expose: [\"7080\"], x-msdev: {run: a}}\n  b: {image: x, ports: [\"7080:80\"], environment: {PORT: \"80\"}, x-msdev: {run: b}}\n", "7080"},
		{"udp beside tcp", "services:\n  a: {image: x, expose: [\"7080/udp\"], x-msdev: {run: a}}\n  b: {image: x, expose: [\"7080\"], x-msdev: {run: b}}\n", ""},
		{"handed over", "services:\n  a: {image: x, expose: [\"7080\"], x-msdev: {run: a, env: {PORT: \"7080\"}}}\n  b: {image: x, expose: [\"7080\"], x-msdev: {run: b}}\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := New(project(t, test.text), Options{StateDir: t.TempDir()})
			if err == nil {
				_ = r.Close()
			}
			var e *runner.Error
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.As(err, &e) || !strings.Contains(e.Msg, test.want) || !strings.Contains(e.Msg, `"a" and "b"`) || e.Hint == ""):
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestPublished runs two services that both declare 8080, one of them published, and reaches each.
func TestPublished(t *testing.T) {
	host := testenv.FreePort(t)
	text := strings.Replace(fmt.Sprintf(pair, host, testApp, testApp), "    env_file: [pay.env]\n", "", 1)
	p := project(t, strings.Replace(text, `, SELF: "{{.Port 9090}}"`, "", 1))
	r := open(t, p, t.TempDir())
	get := func(url string) string {
		resp, err := http.Get(url)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strings.TrimSpace(string(body))
	}
	for _, service := range []string{"orders", "payments"} {
		in := up(t, r, service)
		if in.Health != runner.HealthStarting && in.Health != runner.HealthHealthy {
			t.Errorf("%s declares a port, and its health is %q", service, in.Health)
		}
		healthy(t, r, in.ID)
		if got := in.Ports[0]; got.Target != 8080 || got.HostIP != loopback || service == "orders" && got.Host != host {
			t.Errorf("%s has the port %+v", service, got)
		}
		if got := get(fmt.Sprintf("http://127.0.0.1:%d/env?name=PEER", in.Ports[0].Host)); !strings.Contains(got, "127.0.0.1:") {
			t.Errorf("%s answers %q", service, got)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if !free(loopback, host, "tcp") {
		t.Error("the published port is still taken")
	}
}

func TestTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	p := project(t, fmt.Sprintf("services:\n  web: {image: x, expose: [\"%d\"], x-msdev: {run: sleep 600}}\n  none: {image: x}\n", port))
	r := open(t, p, t.TempDir())
	_, doErr := r.Do(t.Context(), runner.Action{Op: runner.OpCreate, Service: "web", Number: 1}, nil)
	for _, err := range []error{r.Check([]string{"web"}), doErr} {
		var e *runner.Error
		if !errors.As(err, &e) || e.Service != "web" || !strings.Contains(e.Msg, strconv.Itoa(port)) || !strings.Contains(e.Msg, "process.test") || e.Hint == "" {
			t.Errorf("a taken port: %v", err)
		}
	}
	var e *runner.Error
	if err := r.Check([]string{"none"}); !errors.As(err, &e) || e.Kind != runner.ErrUsage || !strings.Contains(e.Hint, "msdev init") {
		t.Errorf("a service without a command: %v", err)
	}
}
