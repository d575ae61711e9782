package tui

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msdev/runner"
	"msdev/session"
)

// act carries out a service action on services.
func (d *desk) act(a action, names []string) tea.Cmd {
	if len(names) == 0 {
		return nil
	}
	switch a {
	case actRestart:
		return d.run("restart "+some(names), session.Command{Verb: session.VerbRestart, Services: names})
	case actStartStop:
		return d.startStop(names)
	case actBuild:
		if !slices.ContainsFunc(names, func(n string) bool { return !d.reloads(n) }) {
			return d.run("reload "+some(names), session.Command{Verb: session.VerbWatch, Watch: session.WatchNow, Services: names})
		}
		return d.run("build "+some(names), session.Command{Verb: session.VerbUp, Services: names, Up: session.UpOptions{Build: true}})
	case actManual:
		return d.manual(names)
	case actKill:
		return open(&question{desk: d, text: "Kill " + some(names) + "?",
			lost: "It ends at once: what it holds in memory and has not written is lost." + d.dependents(names),
			answers: []answer{{"K", "kill", func() tea.Cmd {
				return d.run("kill "+some(names), session.Command{Verb: session.VerbKill, Services: names})
			}}}})
	case actShell:
		return d.shell(names[0])
	case actBrowser:
		return d.browse(names[0])
	case actLogs:
		return showLogs(names)
	case actMessages:
		return showMessages(narrowing{name: some(names), services: names})
	}
	return nil
}

// reloads tells whether a service runs whose files are watched.
func (d *desk) reloads(name string) bool {
	s, ok := d.service(name)
	return ok && s.Reload != nil && s.Wanted
}

// manual has services reload by hand where one of them reloads by itself, and by themselves otherwise.
func (d *desk) manual(names []string) tea.Cmd {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !d.reloads(n) })
	if len(names) == 0 {
		d.fail("", errors.New("nothing of this is reloaded when files change\nGive it develop.watch, or x-msdev.watch, in the compose file."))
		return nil
	}
	mode, text := session.WatchAuto, "reload when files are saved: "
	if slices.ContainsFunc(names, func(n string) bool { s, _ := d.service(n); return s.Reload.Mode == runner.ReloadAuto }) {
		mode, text = session.WatchManual, "reload by hand: "
	}
	return d.run(text+some(names), session.Command{Verb: session.VerbWatch, Watch: mode, Services: names})
}

// holdReloads holds all reloads back, lets them go on, or begins to watch files at all.
func (d *desk) holdReloads() tea.Cmd {
	mode, text := session.WatchPause, "hold reloads back"
	switch {
	case !d.state.Watch.On:
		mode, text = session.WatchOn, "watch files"
	case d.state.Watch.Paused:
		mode, text = session.WatchResume, "reloads go on"
	}
	return d.run(text, session.Command{Verb: session.VerbWatch, Watch: mode})
}

// startStop stops the services where one of them is to run, and starts them otherwise.
func (d *desk) startStop(names []string) tea.Cmd {
	if slices.ContainsFunc(names, d.runs) {
		return d.run("stop "+some(names), session.Command{Verb: session.VerbStop, Services: names})
	}
	return d.run("start "+some(names), session.Command{Verb: session.VerbUp, Services: names})
}

// runs tells whether a service runs or is about to.
func (d *desk) runs(name string) bool {
	s, ok := d.service(name)
	return ok && (!s.Since.IsZero() || s.Wanted && s.State != runner.StateStopped && s.State != runner.StateFailed)
}

// dependents names what else suffers, as a sentence.
func (d *desk) dependents(names []string) string {
	var others []string
	for _, n := range names {
		for _, other := range d.neededBy(n) {
			if !slices.Contains(names, other) && !slices.Contains(others, other) {
				others = append(others, other)
			}
		}
	}
	if len(others) == 0 {
		return ""
	}
	if len(others) == 1 {
		return " " + others[0] + " needs it."
	}
	return " " + some(others) + " need it."
}

func (d *desk) shell(name string) tea.Cmd {
	if d.open.Shell == nil {
		d.fail("", errors.New("this screen can open no shell\nRun msdev exec "+name+" sh in another terminal."))
		return nil
	}
	if s, ok := d.service(name); ok && s.Since.IsZero() {
		d.fail("", fmt.Errorf("%s does not run, so there is nothing to open a shell in\nPress %s to start it.", name, d.keys.key(actStartStop)))
		return nil
	}
	c := d.open.Shell(name)
	return tea.ExecProcess(c, func(err error) tea.Msg {
		return doneMsg{text: "shell in " + name, err: shellError(err)}
	})
}

// shellError leaves out the exit code of a shell's last command, which is no failure of the shell.
func shellError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() != 126 && exit.ExitCode() != 127 {
		return nil
	}
	return err
}

// browse opens the first published TCP port; 443 and 8443 as https.
func (d *desk) browse(name string) tea.Cmd {
	s, _ := d.service(name)
	i := slices.IndexFunc(s.Ports, func(p runner.Port) bool { return p.Host != 0 && p.Protocol != "udp" })
	if i < 0 {
		d.fail("", fmt.Errorf("%s publishes no port\nGive it one in the compose file: ports: [\"8080:8080\"].", name))
		return nil
	}
	p := s.Ports[i]
	scheme, host := "http", p.HostIP
	if p.Target == 443 || p.Target == 8443 {
		scheme = "https"
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	url := fmt.Sprintf("%s://%s:%d", scheme, host, p.Host)
	d.say("opens %s", url)
	show := d.open.OpenURL
	return d.ask(func(ctx context.Context) tea.Msg {
		if err := show(ctx, url); err != nil {
			return doneMsg{text: "open " + url, err: err}
		}
		return nil
	})
}

// browser is the program that shows an address.
func browser(getenv func(string) string) []string {
	switch {
	case getenv("BROWSER") != "":
		return strings.Fields(getenv("BROWSER"))
	case runtime.GOOS == "darwin":
		return []string{"open"}
	case runtime.GOOS == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	return []string{"xdg-open"}
}

// start runs a program of the desktop, without the terminal.
func start(ctx context.Context, program []string, args ...string) error {
	c := exec.CommandContext(ctx, program[0], append(slices.Clone(program[1:]), args...)...)
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s failed: %w\nOpen %s by hand, or set BROWSER.", program[0], err, args[len(args)-1])
	}
	return nil
}

// commandDone says how a command ended.
func (a *app) commandDone(m doneMsg) {
	everything := a.stopping > 0 && len(m.command.Services) == 0
	switch {
	case everything && m.err == nil && m.command.Verb == session.VerbStop && a.stopping == 1:
		a.outcome = Stopped
	case everything && m.command.Verb == session.VerbKill && m.err == nil:
		a.outcome = Killed
	case m.err != nil:
		if everything {
			a.stopping = 0
		}
		a.fail(m.text, m.err)
	case m.command.Verb == session.VerbDown && len(m.command.Services) == 0:
		a.outcome = Stopped
	case m.command.Verb != "" && !everything:
		a.say("%s: done", m.text)
	}
}

// stopAll stops everything; asked again it kills, and a third time it does not wait.
func (a *app) stopAll() tea.Cmd {
	a.over = nil
	if a.gone {
		a.outcome = Quit
		return nil
	}
	a.stopping++
	switch a.stopping {
	case 1:
		return a.run("stop everything", session.Command{Verb: session.VerbStop, Timeout: a.open.Timeout})
	case 2:
		return a.run("kill everything", session.Command{Verb: session.VerbKill})
	}
	a.outcome = Killed
	return nil
}

// leave asks what becomes of the services; where nothing runs there is nothing to ask.
func (a *app) leave() tea.Cmd {
	running := 0
	for _, s := range a.state.Services {
		if a.runs(s.Service) {
			running++
		}
	}
	if a.gone {
		a.outcome = Quit
		return nil
	}
	if running == 0 {
		a.outcome = Stopped
		return nil
	}
	stop := func() tea.Cmd { return func() tea.Msg { return actMsg{actStopAll} } }
	detach := func() tea.Cmd { return func() tea.Msg { return actMsg{actDetach} } }
	return open(&question{desk: a.desk, text: "Leave: stop " + plural(running, "service") + ", or let them run?",
		lost: "msdev attach opens this screen again.",
		answers: []answer{
			{"s", "stop and leave", stop},
			{"d", "detach, everything runs on", detach},
		}})
}

// down asks before it removes everything.
func (d *desk) down(volumes bool) tea.Cmd {
	q := &question{desk: d, text: fmt.Sprintf("Stop and remove all %s?", plural(len(d.state.Services), "service")),
		lost: "What they wrote outside of volumes is lost; volumes stay."}
	if volumes {
		q.lost = "What they wrote is lost, and all data in the project's volumes with it."
	}
	q.answers = []answer{{"y", "remove", func() tea.Cmd {
		return d.run("down", session.Command{Verb: session.VerbDown, Down: session.DownOptions{Volumes: volumes}})
	}}}
	return open(q)
}
