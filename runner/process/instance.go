package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/creack/pty"

	"msdev/runner"
)

// instance is one copy of a service: a record, and a run of it while it runs.
type instance struct {
	output   *output
	ports    []endpoint
	starting sync.Mutex // held by what starts or stops it
	program  string     // what is run instead of the program that its service names, where set
	slot     string     // tells its inner ports from those of another version beside it

	// Guarded by Runtime.mu.
	state runner.Instance
	run   *run // nil when nothing runs
}

// look is the instance as others may keep it. Runtime.mu is held.
func (in *instance) look() runner.Instance { return in.state }

// record is what a later runtime must know. Runtime.mu is held.
func (in *instance) record() record {
	rec := record{Instance: in.state}
	if in.run != nil && in.run.child != nil && in.run.attached == nil {
		rec.PID, rec.Start, rec.Boot = in.run.child.pid, in.run.child.start, bootID()
	}
	return rec
}

// run is what happens between a start and the end, restarts included.
type run struct {
	quit   chan struct{} // closed when it is to end
	done   chan struct{} // closed when it has ended
	policy restartPolicy

	attached *attachment // whose process it is, where it is not ours

	// Guarded by Runtime.mu.
	fronts   fronts // given away in a swap
	quitting bool
	child    *child // nil between two processes
}

// child is one process of a run.
type child struct {
	cmd     *exec.Cmd
	pid     int
	start   string
	began   time.Time
	test    *test // nil without one
	cage    *cage // nil without limits
	starved bool  // when it has ended: the kernel wanted its memory back
	readers sync.WaitGroup
	pipes   []*os.File
	matched chan struct{} // closed when the line came that tells that it is ready
	match   sync.Once
	ooms    int
}

// start starts an instance; one that runs is left alone.
func (r *Runtime) start(in *instance) error {
	in.starting.Lock()
	defer in.starting.Unlock()
	r.mu.Lock()
	running, closed := in.run != nil, r.closed
	r.mu.Unlock()
	if closed {
		return errClosed
	}
	if running {
		return nil
	}
	fronts, err := r.open(in)
	if err != nil {
		return err
	}
	return r.begin(in, fronts)
}

// begin starts the process of an instance behind its fronts, which end with it. in.starting is held.
func (r *Runtime) begin(in *instance, fronts fronts) error {
	in.output.set(false)
	c, err := r.spawn(in)
	if err != nil {
		fronts.close()
		r.mu.Lock()
		in.output.set(true)
		r.change(in, func(i *runner.Instance) { i.Error, i.ExitCode = firstLine(err.Error()), 127 })
		r.mu.Unlock()
		return err
	}
	r.mu.Lock()
	run := &run{quit: make(chan struct{}), done: make(chan struct{}), fronts: fronts, child: c, policy: policyOf(r.project.Compose.Services[in.state.Service])}
	in.run = run
	r.change(in, func(i *runner.Instance) {
		i.Restarts, i.FinishedAt = 0, time.Time{}
		c.begun(i)
	})
	r.mu.Unlock()
	r.work.Go(func() { r.supervise(in, run) })
	return r.save()
}

// begun notes a process that has just started.
func (c *child) begun(i *runner.Instance) {
	i.State, i.StartedAt, i.ExitCode, i.Error, i.OOMKilled = runner.InstanceRunning, c.began, 0, "", false
	i.Health, i.HealthLog = runner.HealthNone, ""
	if c.test != nil {
		i.Health = runner.HealthStarting
	}
}

// spawn starts the process of an instance.
func (r *Runtime) spawn(in *instance) (*child, error) {
	r.mu.Lock()
	l, err := r.launch(in)
	id := in.state.ID
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c := &child{matched: make(chan struct{}), ooms: oomKills(), test: l.test}
	c.cmd, err = l.command(l.argv)
	if err != nil {
		return nil, err
	}
	if l.program != "" {
		c.cmd.Path = l.program
	}
	writers, err := c.streams(l.tty)
	if err == nil {
		c.began = time.Now()
		c.cage, err = l.limits.cage(id)
	}
	if err == nil {
		err = r.spawner.start(c.cmd, id, c.cage)
	}
	for _, w := range writers {
		_ = w.Close()
	}
	if err != nil {
		for _, p := range c.pipes {
			_ = p.Close()
		}
		c.cage.remove()
		return nil, l.cannot(err)
	}
	c.pid = c.cmd.Process.Pid
	if err := l.limits.apply(c.pid); err != nil {
		in.output.add(line{text: "msdev: " + err.Error(), stderr: true})
	}
	c.start = startOf(c.pid)
	for i, p := range c.pipes {
		c.readers.Go(func() {
			lines(p, func(text string, cut bool) {
				in.output.add(line{text: text, cut: cut, stderr: i == 1})
				if c.test != nil && c.test.line != nil && c.test.line.MatchString(text) {
					c.match.Do(func() { close(c.matched) })
				}
			})
		})
	}
	return c, nil
}

// streams connects the process's output; what it returns is the process's side, to be closed once it has started.
func (c *child) streams(tty bool) ([]*os.File, error) {
	if tty {
		master, slave, err := pty.Open()
		if err != nil {
			return nil, err
		}
		c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = slave, slave, slave
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		c.pipes = []*os.File{master}
		return []*os.File{slave}, nil
	}
	var writers []*os.File
	for _, to := range []func(*os.File){func(w *os.File) { c.cmd.Stdout = w }, func(w *os.File) { c.cmd.Stderr = w }} {
		reader, writer, err := os.Pipe()
		if err != nil {
			return writers, err
		}
		to(writer)
		c.pipes, writers = append(c.pipes, reader), append(writers, writer)
	}
	return writers, nil
}

// drain is how long output may take to come in once all processes have ended.
const drain = 2 * time.Second

// await waits until a process and all that it started have ended, and returns its exit code.
func (r *Runtime) await(in *instance, run *run, c *child) int {
	ctx, cancel := context.WithCancel(context.Background())
	var tests sync.WaitGroup
	if c.test != nil {
		tests.Go(func() { r.watchHealth(ctx, in, c) })
	}
	ended(c.pid)
	cancel()
	r.spawner.sweep(in.state.ID, c.pid) // the ID never changes
	r.mu.Lock()
	run.child = nil // from here on its pid may become another's
	r.mu.Unlock()
	code, _ := r.spawner.wait(c.cmd)
	c.starved = c.cage.starved() || oomKills() > c.ooms
	c.cage.remove()
	for _, p := range c.pipes {
		_ = p.SetReadDeadline(time.Now().Add(drain))
	}
	c.readers.Wait()
	for _, p := range c.pipes {
		_ = p.Close()
	}
	tests.Wait()
	return code
}

// supervise follows a run to its end, and starts its process again as the restart policy says.
func (r *Runtime) supervise(in *instance, run *run) {
	defer close(run.done)
	pause := restartFirst
	for c := run.child; ; {
		code := 127
		if c != nil {
			code = r.await(in, run, c)
			if time.Since(c.began) > restartReset {
				pause = restartFirst
			}
		}
		r.mu.Lock()
		again := !run.quitting && run.policy.again(code, in.state.Restarts)
		r.change(in, func(i *runner.Instance) {
			i.State, i.ExitCode, i.FinishedAt, i.Health = runner.InstanceExited, code, time.Now(), runner.HealthNone
			if again {
				i.State = runner.InstanceRestarting
			}
			i.OOMKilled = c != nil && code == 137 && !run.quitting && c.starved
		})
		r.mu.Unlock()
		if !again || !run.rest(max(pause, run.policy.delay)) {
			break
		}
		pause = min(2*pause, restartMost)
		c = r.again(in, run)
	}
	r.mu.Lock()
	fronts := run.fronts
	r.mu.Unlock()
	fronts.close()
	r.mu.Lock()
	in.run = nil
	in.output.set(true)
	r.change(in, func(i *runner.Instance) { i.State = runner.InstanceExited })
	r.mu.Unlock()
	_ = r.save() // a record too many is harmless: it names what no process carries any more
}

// rest waits before a restart; false tells that the run is to end instead.
func (run *run) rest(pause time.Duration) bool {
	select {
	case <-run.quit:
		return false
	case <-time.After(pause):
		return true
	}
}

// again starts the process of a run again; nil tells that it could not be started.
func (r *Runtime) again(in *instance, run *run) *child {
	c, err := r.spawn(in)
	r.mu.Lock()
	r.change(in, func(i *runner.Instance) {
		i.Restarts++
		if err != nil {
			i.Error = firstLine(err.Error())
			return
		}
		c.begun(i)
	})
	run.child = c
	quitting := run.quitting
	r.mu.Unlock()
	if c != nil && quitting { // asked to end while it was being started
		signalGroup(c.pid, syscall.SIGKILL)
	}
	_ = r.save()
	return c
}

// quits tells a run that it is to end, and its process by a signal. r.mu is held.
func (run *run) quits(sig syscall.Signal) {
	if !run.quitting {
		run.quitting = true
		close(run.quit)
	}
	if run.attached != nil {
		run.attached.signal(sig)
		return
	}
	if run.child != nil {
		signalGroup(run.child.pid, sig)
		signalGroup(run.child.pid, syscall.SIGCONT) // a paused process takes no other signal
	}
}

// stop ends an instance by its stop signal, and kills it when the grace period is over.
func (r *Runtime) stop(ctx context.Context, in *instance, timeout *time.Duration) error {
	in.starting.Lock()
	defer in.starting.Unlock()
	r.mu.Lock()
	run, s := in.run, r.project.Compose.Services[in.state.Service]
	if run == nil {
		r.mu.Unlock()
		return nil
	}
	run.quits(signalOf(s.StopSignal))
	r.mu.Unlock()
	select {
	case <-run.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.patience(in, timeout)):
	}
	return r.kill(ctx, in)
}

// patience is the grace period of an instance's stop.
func (r *Runtime) patience(in *instance, timeout *time.Duration) time.Duration {
	if timeout != nil {
		return *timeout
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if period := r.project.Compose.Services[in.state.Service].StopGracePeriod; period != nil {
		return time.Duration(*period)
	}
	return stopAfter
}

// kill ends an instance at once.
func (r *Runtime) kill(ctx context.Context, in *instance) error {
	r.mu.Lock()
	run := in.run
	if run != nil {
		run.quits(syscall.SIGKILL)
	}
	r.mu.Unlock()
	if run == nil {
		return nil
	}
	select {
	case <-run.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Docker's times: the grace period of a stop, and the pauses between restarts, which begin anew after a run that lasted.
const (
	stopAfter    = 10 * time.Second
	restartFirst = 100 * time.Millisecond
	restartMost  = time.Minute
	restartReset = 10 * time.Second
)

// restartPolicy is `restart` or `deploy.restart_policy`.
type restartPolicy struct {
	always, onFailure bool
	most              int // restarts after failures; 0 is no bound
	delay             time.Duration
}

func policyOf(s types.ServiceConfig) restartPolicy {
	var p restartPolicy
	name, most, _ := strings.Cut(s.Restart, ":")
	p.most, _ = strconv.Atoi(most)
	if d := s.Deploy; name == "" && d != nil && d.RestartPolicy != nil {
		name = map[string]string{"": "always", "any": "always", "on-failure": "on-failure"}[d.RestartPolicy.Condition]
		if d.RestartPolicy.MaxAttempts != nil {
			p.most = int(*d.RestartPolicy.MaxAttempts)
		}
		if d.RestartPolicy.Delay != nil {
			p.delay = time.Duration(*d.RestartPolicy.Delay)
		}
	}
	p.always, p.onFailure = name == "always" || name == "unless-stopped", name == "on-failure"
	return p
}

// again tells whether to start again after an end with this code, after so many restarts.
func (p restartPolicy) again(code, restarts int) bool {
	return (p.always || p.onFailure && code != 0) && (p.most == 0 || restarts < p.most)
}

// signalOf reads a stop signal as the engine does: by name, with or without SIG, or by number. The default is SIGTERM.
func signalOf(name string) syscall.Signal {
	if n, err := strconv.Atoi(name); err == nil && n > 0 {
		return syscall.Signal(n)
	}
	if sig, ok := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]; ok {
		return sig
	}
	return syscall.SIGTERM
}

var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ABRT": syscall.SIGABRT, "KILL": syscall.SIGKILL,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "PIPE": syscall.SIGPIPE, "ALRM": syscall.SIGALRM, "TERM": syscall.SIGTERM,
	"WINCH": syscall.SIGWINCH,
}

// signal sends a signal to the processes of an instance, which make of it what they will.
func (r *Runtime) signal(in *instance, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	sig, known := signals[strings.TrimPrefix(strings.ToUpper(name), "SIG")]
	if n, err := strconv.Atoi(name); err == nil && n > 0 {
		sig, known = syscall.Signal(n), true
	}
	switch {
	case !known:
		return &runner.Error{Kind: runner.ErrUsage, Service: in.state.Service, Msg: fmt.Sprintf("there is no signal %q", name), Hint: "Give its name, as SIGHUP, or its number."}
	case in.run == nil || in.run.child == nil:
		return nil
	case in.run.attached != nil:
		in.run.attached.signal(sig)
		return nil
	}
	signalGroup(in.run.child.pid, sig)
	return nil
}

func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

// pause freezes a running instance, or lets a frozen one go on.
func (r *Runtime) pause(in *instance, sig syscall.Signal, from, to runner.InstanceState) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.state.State == to {
		return nil
	}
	if in.state.State != from || in.run == nil || in.run.child == nil || in.run.attached != nil {
		return &runner.Error{Kind: runner.ErrFailed, Service: in.state.Service, Msg: fmt.Sprintf("%s is %s, not %s", in.state.Name, in.state.State, from)}
	}
	signalGroup(in.run.child.pid, sig)
	r.change(in, func(i *runner.Instance) { i.State = to })
	return nil
}
