package docker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// lookLimit bounds a look that only makes an error clearer.
const lookLimit = 2 * time.Second

// holder is who has a port.
type holder struct{ text, hint string }

// holderOf finds out who has a port of the engine's machine: a container, or a process where it is this machine.
func (r *Runtime) holderOf(port string) holder {
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{Filters: make(client.Filters).Add("publish", port)})
	if err == nil {
		for _, c := range list.Items {
			for _, p := range c.Ports {
				if strconv.Itoa(int(p.PublicPort)) != port || len(c.Names) == 0 {
					continue
				}
				name := strings.TrimPrefix(c.Names[0], "/")
				return holder{fmt.Sprintf("container %q", name), fmt.Sprintf("Stop it (`docker stop %s`), or publish another port.", name)}
			}
		}
	}
	if r.local {
		if pid, name := listener(atoi(port)); pid != 0 {
			return holder{fmt.Sprintf("process %d (%s)", pid, name), "Stop that process, or publish another port."}
		}
	}
	return holder{"another process", fmt.Sprintf("`ss -ltnp 'sport = :%s'` names it; stop it, or publish another port.", port)}
}

// listener finds the process that listens on a TCP port, as far as /proc shows it to this user; 0 where it does not.
func listener(port int) (pid int, name string) {
	inodes := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, inode := range listening(file, port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return 0, ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !inodes[target] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		comm, _ := os.ReadFile(filepath.Join(dir, "comm"))
		return atoi(filepath.Base(dir)), strings.TrimSpace(string(comm))
	}
	return 0, ""
}

// listening lists the inodes of the sockets that listen on a port, from a table like /proc/net/tcp.
func listening(file string, port int) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	const listen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	var inodes []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[3] == listen && strings.HasSuffix(fields[1], suffix) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}
