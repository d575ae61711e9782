package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"sync"
	"time"
)

// sshDialer reaches an engine the way the docker client does for ssh:// addresses: each connection is one
// `ssh HOST docker system dial-stdio`, with its standard streams as the connection.
func sshDialer(address string) (func(context.Context, string, string) (net.Conn, error), error) {
	args, err := sshArgs(address)
	if err != nil {
		return nil, err
	}
	return func(context.Context, string, string) (net.Conn, error) {
		// The connection outlives the call that dialled it: it is kept for others. Close ends the process.
		cmd := exec.Command("ssh", args...)
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return &sshConn{cmd: cmd, in: in, out: out, address: sshAddr(address)}, nil
	}, nil
}

// sshArgs are the arguments of ssh for an address like ssh://user@host:22/path/to/docker.sock.
func sshArgs(address string) ([]string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is no address like ssh://user@host", address)
	}
	if _, set := u.User.Password(); set {
		return nil, fmt.Errorf("an ssh:// address cannot carry a password; use an ssh key")
	}
	args := []string{"-o", "ConnectTimeout=30", "-T"}
	if user := u.User.Username(); user != "" {
		args = append(args, "-l", user)
	}
	if u.Port() != "" {
		args = append(args, "-p", u.Port())
	}
	args = append(args, "--", u.Hostname(), "docker")
	if u.Path != "" && u.Path != "/" {
		args = append(args, "--host", "unix://"+u.Path)
	}
	return append(args, "system", "dial-stdio"), nil
}

// sshConn is the standard streams of an ssh process as a connection.
type sshConn struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	address sshAddr
	once    sync.Once
}

type sshAddr string

func (a sshAddr) Network() string { return "ssh" }
func (a sshAddr) String() string  { return string(a) }

func (c *sshConn) Read(b []byte) (int, error)  { return c.out.Read(b) }
func (c *sshConn) Write(b []byte) (int, error) { return c.in.Write(b) }

// CloseWrite tells the engine that nothing more comes, as exec with a stdin needs it.
func (c *sshConn) CloseWrite() error { return c.in.Close() }

func (c *sshConn) Close() error {
	c.once.Do(func() {
		_ = c.in.Close()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return nil
}

func (c *sshConn) LocalAddr() net.Addr              { return c.address }
func (c *sshConn) RemoteAddr() net.Addr             { return c.address }
func (c *sshConn) SetDeadline(time.Time) error      { return nil }
func (c *sshConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sshConn) SetWriteDeadline(time.Time) error { return nil }
