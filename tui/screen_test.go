package tui

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// noon is when all screens of these tests are drawn.
var noon = time.Date(2026, 5, 1, 12, 4, 31, 220e6, time.UTC)

// shop is a Source of plain data: a journal, a state, and the commands that it was asked for.
type shop struct {
	journal *journal.Journal
	mu      sync.Mutex
	state   session.State
	done    []session.Command
	fail    error // what Do answers
	brokers []*plainBroker
	real    brokers.Broker // instead of those
	notes   []string
	schemas *decode.Schemas
	pages   int // requests for records so far
}

func (s *shop) Watch(ctx context.Context, fn func(session.State) error) error {
	s.mu.Lock()
	state := s.state
	s.mu.Unlock()
	if err := fn(state); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *shop) Do(_ context.Context, c session.Command) (session.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, c)
	return session.Result{}, s.fail
}

func (s *shop) Records(_ context.Context, q session.RecordQuery) (journal.Page, error) {
	s.pages++
	jq, err := q.Query(s.schemas.Decoder(context.Background()).Values)
	if err != nil {
		return journal.Page{}, err
	}
	cursor := q.Cursor
	if q.Before {
		return s.journal.Before(cursor, jq), nil
	}
	if cursor == 0 && !q.Since.IsZero() {
		cursor = s.journal.Seek(q.Since, jq)
	}
	return s.journal.After(cursor, jq), nil
}

func (s *shop) Wait(ctx context.Context, after uint64) (uint64, error) {
	return s.journal.Wait(ctx, after)
}

func (s *shop) log(service, text string, body ...string) {
	at := noon.Add(-time.Minute).Add(time.Duration(s.journal.Last()) * 1004 * time.Millisecond)
	s.journal.Append(journal.Record{Time: at, Stream: service + "/stdout", Kind: journal.KindLog, Ref: "id-" + service,
		Text: text, Body: []byte(strings.Join(body, "\n"))})
}

func (s *shop) event(service, kind, text string) {
	hint := ""
	if kind == "fail" {
		hint = `,"hint":"Stop what holds it, or give gateway another port."`
	}
	at := noon.Add(-time.Minute).Add(time.Duration(s.journal.Last()) * 1004 * time.Millisecond)
	s.journal.Append(journal.Record{Time: at, Stream: service + "/events", Kind: journal.KindEvent, Ref: kind, Text: text,
		Body: []byte(`{"type":"` + kind + `","service":"` + service + `","text":"` + text + `"` + hint + `}`)})
}

func ptr[T any](v T) *T { return &v }

func needs(names ...string) []runner.Dependency {
	var ds []runner.Dependency
	for _, n := range names {
		name, cond, _ := strings.Cut(n, ":")
		ds = append(ds, runner.Dependency{Service: name, Condition: "service_" + cond, Required: true})
	}
	return ds
}

// running is a service that has been up for a while.
func running(name string, up time.Duration, cpu float64, memory int64, deps []runner.Dependency, ports ...int) runner.Status {
	s := runner.Status{Service: name, Runtime: "docker", State: runner.StateReady, Detail: "healthy", Wanted: true, Image: "shop-" + name,
		Since: noon.Add(-up), CPU: ptr(cpu), Memory: ptr(memory), DependsOn: deps, Last: "healthy after 0.4s", LastAt: noon.Add(-up),
		Instances: []runner.Instance{{ID: "id-" + name, Name: "shop-" + name + "-1", Service: name, Number: 1, State: runner.InstanceRunning, Health: runner.HealthHealthy}}}
	for _, p := range ports {
		s.Ports = append(s.Ports, runner.Port{HostIP: "0.0.0.0", Host: p, Target: p, Protocol: "tcp"})
	}
	return s
}

func newShop() *shop {
	s := &shop{journal: journal.New(journal.Caps{})}
	orders := running("orders", 12*time.Second, 0.004, 18<<20, needs("rabbitmq:healthy", "kafka:healthy", "inventory:healthy", "payments:healthy"), 50051)
	orders.Restarts, orders.Last = 2, "reloaded: orders/main.go 0.9s"
	shipping := runner.Status{Service: "shipping", State: runner.StateFailed, Detail: "exited 1, again in 4s", Wanted: true, Restarts: 3,
		DependsOn: needs("rabbitmq:healthy", "orders:healthy"), Last: "panic: assignment to entry in nil map", LastAt: noon.Add(-2 * time.Second)}
	notifications := running("notifications", 230*time.Second, 0, 12<<20, needs("rabbitmq:started"))
	notifications.CPU, notifications.Detail = nil, "running"
	s.state = session.State{Project: "shop", Dir: "/shop", Runtime: runner.Description{Name: "docker", Version: "20.10.24"}, Phase: session.PhaseRunning,
		Rates: session.Rates{Logs: ptr(1204.0)},
		Services: []runner.Status{
			running("rabbitmq", 252*time.Second, 0.012, 131<<20, nil, 5672, 15672),
			running("kafka", 252*time.Second, 0.03, 182<<20, nil, 9092),
			running("inventory", 240*time.Second, 0.002, 17<<20, nil),
			running("payments", 240*time.Second, 1.204, 1<<30, nil),
			orders, shipping, notifications,
			{Service: "analytics", State: runner.StateStopped, Detail: "stopped", DependsOn: needs("kafka:healthy"), Last: "stopped by hand", LastAt: noon.Add(-time.Hour)},
			running("gateway", 26*time.Hour, 0.021, 22<<20, needs("orders:healthy", "payments:healthy"), 8080),
			{Service: "traffic", State: runner.StateWaiting, Detail: "waits for gateway: healthy", Wanted: true, DependsOn: needs("gateway:healthy"), Last: "created", LastAt: noon.Add(-2 * time.Second)},
		}}
	s.event("rabbitmq", "start", "started")
	s.event("rabbitmq", "healthy", "healthy after 5.1s")
	s.event("orders", "wait", "waits for rabbitmq: healthy")
	s.event("orders", "healthy", "healthy after 0.4s")
	for i := range 12 {
		s.log("orders", fmt.Sprintf(`{"time":"2026-05-01T12:03:31Z","level":"INFO","msg":"order placed","order":"7f%02x","total":41.90,"trace_id":"9c1e4f2a7b6d5c4e3f2a1b0c9d8e7f6a"}`, i))
		s.log("payments", fmt.Sprintf(`level=warn msg="payment slow" order=7f%02x took=812ms`, i))
	}
	s.log("rabbitmq", "\x1b[32mstarted\x1b[0m with \x1b[1;31mcolours\x1b[0m\x1b[2J and a control sequence")
	s.log("gateway", "GET /orders/7f0a 200 in 12ms, a rather long line without any structure that does not fit the screen at eighty columns")
	s.log("shipping", "panic: assignment to entry in nil map", "goroutine 34 [running]:", "main.(*server).ship(0xc000112340)", "\t/app/shipping/main.go:88 +0x1d4",
		"main.main()", "\t/app/shipping/main.go:40 +0x65", "exit status 2", "one", "two", "three")
	s.event("shipping", "exit", "exited 1 after 2.1s: panic: assignment to entry in nil map")
	s.log("orders", `{"level":"ERROR","msg":"cannot ship","order":"7f0b","err":"no courier","trace_id":"9c1e4f2a7b6d5c4e3f2a1b0c9d8e7f6a"}`)
	s.event("", "warning", "orders: blkio_config is not applied")
	s.event("gateway", "fail", "the port 8080 is taken")
	return s
}

// screen is a person before the terminal: it presses keys, and sees text.
type screen struct {
	t    testing.TB
	app  *app
	shop *shop
	seen []string // kinds of messages that the app sent to the terminal
}

func newScreen(t testing.TB, src *shop, w, h int, set ...func(*Options)) *screen {
	t.Helper()
	o := Options{Source: src, State: session.State{Project: src.state.Project}, Environ: []string{"TERM=xterm-256color", "LANG=C.UTF-8"}}
	for _, f := range set {
		f(&o)
	}
	a, err := newApp(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	a.now, a.zone = noon, time.UTC
	s := &screen{t: t, app: a, shop: src}
	s.send(tea.WindowSizeMsg{Width: w, Height: h})
	s.news()
	return s
}

// news lets the state and the journal's growth arrive.
func (s *screen) news() {
	s.shop.mu.Lock()
	state := s.shop.state
	s.shop.mu.Unlock()
	s.send(stateMsg{state, noon})
	s.send(newsMsg{s.shop.journal.Last()})
}

// send delivers a message, and all that follows from it.
func (s *screen) send(msg tea.Msg) {
	s.t.Helper()
	queue := []tea.Msg{msg}
	for n := 0; len(queue) > 0; n++ {
		if n > 10_000 {
			s.t.Fatal("the screen never comes to rest")
		}
		_, cmd := s.app.Update(queue[0])
		queue = append(queue[1:], s.run(cmd)...)
	}
}

// run carries out a command, and returns what it says.
func (s *screen) run(cmd tea.Cmd) []tea.Msg {
	if cmd == nil {
		return nil
	}
	switch msg := cmd().(type) {
	case nil:
		return nil
	case tea.BatchMsg:
		var all []tea.Msg
		for _, c := range msg {
			all = append(all, s.run(c)...)
		}
		return all
	default:
		s.seen = append(s.seen, reflect.TypeOf(msg).String())
		return []tea.Msg{msg}
	}
}

// press presses keys, named as the key map names them.
func (s *screen) press(keys ...string) *screen {
	s.t.Helper()
	for _, k := range keys {
		s.send(keyPress(k))
	}
	return s
}

func keyPress(name string) tea.KeyPressMsg {
	var k tea.KeyPressMsg
	if rest, ok := strings.CutPrefix(name, "ctrl+"); ok {
		k.Mod, name = tea.ModCtrl, rest
	}
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "home": tea.KeyHome, "end": tea.KeyEnd,
		"pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "space": tea.KeySpace}
	if code, ok := special[name]; ok {
		k.Code = code
		if name == "space" {
			k.Text = " "
		}
		return k
	}
	k.Code = []rune(name)[0]
	if k.Mod == 0 {
		k.Text = name
	}
	return k
}

// typed presses the keys of a text.
func (s *screen) typed(text string) *screen {
	for _, r := range text {
		s.press(either(r == ' ', "space", string(r)))
	}
	return s
}

// text is what can be read.
func (s *screen) text() string {
	lines := strings.Split(ansi.Strip(s.app.content), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// draw draws the screen anew.
func (s *screen) draw() { s.send(tea.WindowSizeMsg{Width: s.app.w, Height: s.app.h}) }

// row is the first line that holds a text.
func (s *screen) row(part string) string {
	for _, l := range strings.Split(s.text(), "\n") {
		if strings.Contains(l, part) {
			return l
		}
	}
	return ""
}

func (s *screen) sees(parts ...string) *screen {
	s.t.Helper()
	for _, p := range parts {
		if !strings.Contains(s.text(), p) {
			s.t.Errorf("the screen does not show %q:\n%s", p, s.text())
		}
	}
	return s
}

func (s *screen) seesNot(parts ...string) *screen {
	s.t.Helper()
	for _, p := range parts {
		if strings.Contains(s.text(), p) {
			s.t.Errorf("the screen shows %q:\n%s", p, s.text())
		}
	}
	return s
}

// asked are the verbs and services of the commands so far.
func (s *screen) asked() string {
	var all []string
	for _, c := range s.shop.done {
		all = append(all, strings.TrimSpace(string(c.Verb)+" "+strings.Join(c.Services, " ")))
	}
	return strings.Join(all, "; ")
}

// fits fails where a line is wider than the terminal, or there are too many or too few.
func (s *screen) fits() {
	s.t.Helper()
	lines := strings.Split(s.app.content, "\n")
	if len(lines) != s.app.h {
		s.t.Fatalf("%d lines at %dx%d", len(lines), s.app.w, s.app.h)
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n > s.app.w {
			s.t.Fatalf("line %d is %d wide at %dx%d: %q", i, n, s.app.w, s.app.h, ansi.Strip(l))
		}
	}
}

// golden compares a screen with the one on file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(errors.Join(err, errors.New("write it with: go test ./tui -update")))
	}
	if string(want) != got {
		t.Errorf("%s differs; look at it, and if it is right: go test ./tui -update\n--- want\n%s\n--- got\n%s", path, want, got)
	}
}
