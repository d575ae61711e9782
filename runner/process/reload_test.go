package process

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"msdev/journal"
	"msdev/runner"
	"msdev/testenv"
)

// shop is a service that is built of a file, and is reloaded when that changes. While a file "hang" is there its build does not end.
type shop struct {
	t    *testing.T
	dir  string
	sup  *runner.Supervisor
	port int
	news chan struct{} // holds one token when something has changed
}

func openShop(t *testing.T, limit time.Duration) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), port: testenv.FreePort(t), news: make(chan struct{}, 1)}
	s.write("src/version", "one")
	s.write("build.sh", "echo $$ >>"+s.path("built")+"\necho building\nif [ -e hang ]; then sleep 600; fi\nmkdir -p bin\ncat "+testApp+" version >bin/new && chmod +x bin/new && mv bin/new bin/web\n")
	s.write("compose.yaml", "services:\n  web:\n    ports: ['"+strconv.Itoa(s.port)+":8080']\n    x-msdev: {dir: src, build: sh ../build.sh, run: ./bin/web serve, env: {PORT: '{{.Port 8080}}'}, watch: {ignore: [src/bin/]}}\n")
	p, err := runner.Load(t.Context(), runner.LoadOptions{WorkDir: s.dir, Name: testenv.ProjectName(t)})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, p, t.TempDir())
	resources, err := p.Resources()
	if err != nil {
		t.Fatal(err)
	}
	of := func(string) string { return runner.Native }
	s.sup = runner.NewSupervisor([]runner.Runtime{r}, journal.New(journal.Caps{}), runner.SupervisorOptions{Specs: p.Specs(map[string]string{"web": runner.Native}), Resources: resources, Changed: s.changed})
	reloads := runner.NewReloader(s.sup, p.Dir, "")
	reloads.BuildLimit = limit
	if err := reloads.Use(p, of); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var work sync.WaitGroup
	for _, run := range []func(context.Context) error{s.sup.Run, reloads.Run, func(ctx context.Context) error { return reloads.Watch(ctx, func([]string) {}) }} {
		work.Go(func() {
			if err := run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); work.Wait() })
	if err := s.sup.Do(t.Context(), runner.Request{Goals: map[string]runner.Goal{"web": {Want: runner.WantRunning, Scale: 1}}, Scope: []string{"web"}, Wait: true}); err != nil {
		t.Fatal(err)
	}
	s.until("watching", func(runner.Status) bool { on, _ := reloads.Watching(); return on })
	return s
}

func (s *shop) changed() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *shop) path(name string) string { return filepath.Join(s.dir, name) }

func (s *shop) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// until waits until the service's state is as wanted.
func (s *shop) until(what string, ok func(runner.Status) bool) runner.Status {
	s.t.Helper()
	for limit := time.After(2 * time.Minute); ; {
		st := s.sup.Statuses(s.t.Context())[0]
		if ok(st) {
			return st
		}
		select {
		case <-s.news:
		case <-limit:
			s.t.Fatalf("%s: %+v, reloads %+v", what, st, st.Reload)
		}
	}
}

// last is the newest reload that has ended; none is a zero one.
func last(st runner.Status) runner.Reload {
	if st.Reload == nil || len(st.Reload.History) == 0 {
		return runner.Reload{}
	}
	return st.Reload.History[0]
}

// answers checks that the service does.
func (s *shop) answers() {
	s.t.Helper()
	if got, err := echo(http.DefaultClient, s.port); got != "hello" || err != nil {
		s.t.Errorf("it answers %q, %v", got, err)
	}
}

// builders are the processes that builds have been, in their order.
func (s *shop) builders() []int {
	text, _ := os.ReadFile(s.path("built"))
	var pids []int
	for line := range strings.Lines(string(text)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone waits until nothing of a build is left: what it has started is waited for by others.
func (s *shop) gone(pid int) {
	s.t.Helper()
	for limit := time.After(time.Minute); ; {
		err := syscall.Kill(-pid, 0)
		if errors.Is(err, syscall.ESRCH) {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			s.t.Fatalf("of the build %d something is left: %v", pid, err)
		}
	}
}

// A build that hangs is ended when its time is over, with all that it has started; what runs goes on, and the next change is built.
func TestABuildThatHangs(t *testing.T) {
	s := openShop(t, 3*time.Second)
	s.write("src/hang", "")
	st := s.until("its time is over", func(st runner.Status) bool { return last(st).Result == runner.ReloadFailed })
	if e := last(st); !strings.Contains(e.Error, `the build of service "web" was ended, as it took longer than 3s`) || e.Hint == "" {
		t.Errorf("it is told as %q, %q", e.Error, e.Hint)
	}
	s.answers()
	pids := s.builders()
	s.gone(pids[len(pids)-1])
	if err := os.Remove(s.path("src/hang")); err != nil {
		t.Fatal(err)
	}
	s.write("src/version", "two")
	now := s.until("the next change is built", func(st runner.Status) bool { return last(st).Result == runner.ReloadDone })
	if now.Instances[0].ImageID == st.Instances[0].ImageID {
		t.Error("it is the version from before")
	}
	s.answers()
}

// A newer change ends a build that hangs and is built in its place.
func TestANewerChangeEndsABuild(t *testing.T) {
	s := openShop(t, time.Hour)
	before := len(s.builders())
	s.write("src/hang", "")
	st := s.until("it is built", func(runner.Status) bool { return len(s.builders()) > before })
	hung := s.builders()[before]
	if err := os.Remove(s.path("src/hang")); err != nil {
		t.Fatal(err)
	}
	s.write("src/version", "two")
	now := s.until("the newer change is built", func(st runner.Status) bool { return last(st).Result == runner.ReloadDone })
	if now.Instances[0].ImageID == st.Instances[0].ImageID {
		t.Error("it is the version from before")
	}
	superseded := false
	for _, e := range now.Reload.History {
		superseded = superseded || e.Result == runner.ReloadSuperseded
	}
	if !superseded {
		t.Errorf("the build that hung was not called off: %+v", now.Reload.History)
	}
	s.gone(hung)
	s.answers()
}
