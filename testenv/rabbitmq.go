package testenv

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// OwnerLabel is on every container that this package starts; its value is the number of the process that started it.
const OwnerLabel = "msdev.testenv.owner"

// A Rabbit is a running RabbitMQ with its management plugin, and the user guest with the password guest.
type Rabbit struct {
	// AMQP is its address for clients, as amqp://guest:guest@HOST:PORT/.
	AMQP string
	// Management is the root of its HTTP API, as http://guest:guest@HOST:PORT.
	Management string
	// Container is its id, and Host the address of its engine.
	Container, Host string
}

// RabbitMQ starts one of the lines 3.10 and 4.0 in a container, waits until its management answers, and removes it with
// the test. It takes 5 to 20 seconds: let subtests share one, each with its own virtual host. It finds the files at their absolute
// paths when it starts; those of /etc/rabbitmq/conf.d are settings.
func RabbitMQ(t testing.TB, line string, files ...File) Rabbit {
	t.Helper()
	image := map[string]string{"3.10": "rabbitmq:3-management", "4.0": "rabbitmq:4-management"}[line]
	if image == "" {
		t.Fatalf("testenv: there is no RabbitMQ %s, only 3.10 and 4.0", line)
	}
	host := Engines(t)[0].Host
	id := docker(t, host, "create", "--label", fmt.Sprintf("%s=%d", OwnerLabel, os.Getpid()),
		"--hostname", "rabbit", "--publish", "127.0.0.1::5672", "--publish", "127.0.0.1::15672", "--publish", "127.0.0.1::5671", image)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("RabbitMQ %s ends with:\n%s", line, docker(t, host, "logs", "--tail", "30", id))
		}
		docker(t, host, "rm", "--force", "--volumes", id)
	})
	if len(files) > 0 {
		dockerWith(t, host, archive(t, files), "cp", "-", id+":/")
	}
	docker(t, host, "start", id)
	amqp, management := addresses(t, host, id)
	r := Rabbit{AMQP: "amqp://guest:guest@" + amqp + "/", Management: "http://guest:guest@" + management, Container: id, Host: host}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := r.wait(ctx, line); err != nil {
		t.Fatalf("RabbitMQ %s: %v", line, err)
	}
	return r
}

// Restart ends the broker and starts it again on the same data, how being "restart" for a clean end, or "kill". Its
// addresses may be others then.
func (r *Rabbit) Restart(t testing.TB, how string) {
	t.Helper()
	docker(t, r.Host, how, r.Container)
	docker(t, r.Host, "start", r.Container)
	amqp, management := addresses(t, r.Host, r.Container)
	r.AMQP, r.Management = "amqp://guest:guest@"+amqp+"/", "http://guest:guest@"+management
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := r.wait(ctx, ""); err != nil {
		t.Fatalf("RabbitMQ after docker %s: %v", how, err)
	}
}

// addresses are where clients reach the container's AMQP and management ports: the container's own address, which no
// proxy stands before, or the published ports where containers live in a virtual machine.
func addresses(t testing.TB, host, id string) (amqp, management string) {
	t.Helper()
	r := Rabbit{Container: id, Host: host}
	return r.Port(t, 5672), r.Port(t, 15672)
}

// Port is where clients reach a port of the container: 5671 over TLS, where a file says so.
func (r Rabbit) Port(t testing.TB, port int) string {
	t.Helper()
	if runtime.GOOS == "linux" {
		return net.JoinHostPort(docker(t, r.Host, "inspect", "--format", "{{.NetworkSettings.IPAddress}}", r.Container), strconv.Itoa(port))
	}
	return docker(t, r.Host, "port", r.Container, strconv.Itoa(port)+"/tcp")
}

// wait returns when the management answers, with the wanted version unless line is empty, and clients can connect: the
// two come up in either order. RabbitMQ tells nobody when it is, so this asks.
func (r Rabbit) wait(ctx context.Context, line string) error {
	for {
		version, err := r.version(ctx)
		if err == nil && line != "" && !strings.HasPrefix(version, line+".") {
			return fmt.Errorf("the image holds version %s", version)
		}
		if err == nil {
			err = r.accepts(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r Rabbit) version(ctx context.Context) (string, error) {
	var overview struct {
		Version string `json:"rabbitmq_version"`
	}
	err := r.do(ctx, http.MethodGet, "/api/overview", &overview)
	return overview.Version, err
}

// accepts tells whether clients can connect.
func (r Rabbit) accepts(ctx context.Context) error {
	where, err := url.Parse(r.AMQP)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", where.Host)
	if err != nil {
		return err
	}
	return conn.Close()
}

// VirtualHost makes a virtual host of its own for one test and returns the URL for clients of it.
func (r Rabbit) VirtualHost(t testing.TB) string {
	t.Helper()
	name := ProjectName(t)
	if err := r.do(t.Context(), http.MethodPut, "/api/vhosts/"+url.PathEscape(name), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.do(context.Background(), http.MethodDelete, "/api/vhosts/"+url.PathEscape(name), nil); err != nil {
			t.Log(err)
		}
	})
	return r.AMQP + name
}

// do asks the management's HTTP API, and decodes its answer into out unless that is nil.
func (r Rabbit) do(ctx context.Context, method, path string, out any) error {
	ask, err := http.NewRequestWithContext(ctx, method, r.Management+path, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(out)
}

// A File is one of a container.
type File struct{ Path, Content string }

// archive holds files as docker takes them.
func archive(t testing.TB, files []File) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.Path, "/"), Size: int64(len(f.Content)), Mode: 0o644})
		if err == nil {
			_, err = io.WriteString(w, f.Content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

// docker runs the docker command on an engine, and returns the first line that it prints.
func docker(t testing.TB, host string, args ...string) string {
	t.Helper()
	return dockerWith(t, host, nil, args...)
}

// dockerWith gives it that input.
func dockerWith(t testing.TB, host string, in io.Reader, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command("docker", append([]string{"--host", host}, args...)...)
	cmd.Stdin, cmd.Stderr = in, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", args[0], err, errs.Bytes())
	}
	return strings.TrimSpace(string(out))
}
