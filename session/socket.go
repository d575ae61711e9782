package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"msdev/runner"
)

// RuntimeDir is the folder of control sockets: msdev under $XDG_RUNTIME_DIR, or a folder of the user's own under the
// temporary folder where that is not set. It is made with mode 0700 and refused when it belongs to somebody else.
func RuntimeDir() (string, error) {
	dir := filepath.Join(os.TempDir(), "msdev-"+strconv.Itoa(os.Getuid()))
	if x := os.Getenv("XDG_RUNTIME_DIR"); x != "" {
		dir = filepath.Join(x, "msdev")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", &runner.Error{Kind: runner.ErrFailed, Msg: "cannot make the folder of the control sockets: " + err.Error(),
			Hint: "Set XDG_RUNTIME_DIR to a folder that you can write to.", Err: err}
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || (ok && int(st.Uid) != os.Getuid()) {
		return "", &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("%s belongs to somebody else", dir),
			Hint: "Set XDG_RUNTIME_DIR to a folder of your own."}
	}
	return dir, nil
}

// StateDir is the folder for what a project leaves on disk (its session's log, state files, data of embedded brokers):
// msdev/PROJECT under $XDG_STATE_HOME or ~/.local/state.
func StateDir(project string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, ".local", "state")
	}
	dir := filepath.Join(base, "msdev", project)
	return dir, os.MkdirAll(dir, 0o700)
}

// SocketPath is where the session of a project listens.
func SocketPath(project string) (string, error) {
	dir, err := RuntimeDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, project+".sock")
	if len(path) > 107 { // sun_path of unix(7) holds 108 bytes with the closing zero
		return "", &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("the control socket's path is longer than the 107 bytes that the system allows: %s", path),
			Hint: "Set XDG_RUNTIME_DIR to a shorter path, or give a shorter project name with -p."}
	}
	return path, nil
}

// checkSocket tells whether somebody listens on the socket, and removes it when nobody does.
func checkSocket(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn.Close()
	case errors.Is(err, os.ErrNotExist):
		return ErrNoSession
	case errors.Is(err, syscall.ECONNREFUSED):
		return ErrNoSession
	}
	return fmt.Errorf("cannot talk to the session at %s: %w", path, err)
}

// listen takes the control socket of a project. A socket that a killed session left is replaced; one that is in use is
// an error. The lock beside it makes two sessions that start at once impossible; it is held until the process ends.
func listen(project string) (net.Listener, *os.File, error) {
	path, err := SocketPath(project)
	if err != nil {
		return nil, nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := takeLock(lock, path); err != nil {
		_ = lock.Close()
		return nil, nil, &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("a session of project %q runs already", project),
			Hint: "`msdev attach` opens its screen.", Err: err}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		_ = lock.Close()
		return nil, nil, err
	}
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		_ = lock.Close()
		return nil, nil, err
	}
	return l, lock, nil
}

// takeLock takes the lock beside a socket. A session that ends has given its socket up, and soon gives up its lock: nobody is told
// when, so this asks.
func takeLock(lock *os.File, socket string) error {
	ctx, cancel := context.WithTimeout(context.Background(), endingAtMost)
	defer cancel()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(checkSocket(ctx, socket), ErrNoSession) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// endingAtMost is how long a session may take to end what it runs: longer than the grace period of a stop.
const endingAtMost = 15 * time.Second

// List returns the names of the projects whose sessions run now.
func List(ctx context.Context) ([]string, error) {
	dir, err := RuntimeDir()
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.sock"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range paths {
		if checkSocket(ctx, p) == nil {
			names = append(names, filepath.Base(p[:len(p)-len(".sock")]))
		}
	}
	return names, nil
}
