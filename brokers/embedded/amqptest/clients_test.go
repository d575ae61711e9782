package amqptest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"msdev/brokers/embedded/amqptest"
	"msdev/testenv"
)

// client is a program in another language under testdata, with the package that speaks AMQP for it.
type client struct {
	name string
	// pins is the file that names the package and its version; installed into a folder of the cache named after it.
	pins string
	// install is a command that brings the package into the folder dir.
	install func(dir string) *exec.Cmd
	// run is the command that runs the program with the package in dir; the broker's URL comes last.
	run func(dir, url string) *exec.Cmd
}

// clients are all of them. Their packages are installed one at a time, each once.
type clients struct {
	installing sync.Mutex
	list       []client
}

func newClients() *clients {
	return &clients{list: []client{
		{
			name: "pika", pins: "testdata/python/requirements.txt",
			install: func(dir string) *exec.Cmd {
				return exec.Command("python3", "-m", "pip", "install", "--quiet", "--target", dir, "--requirement", "testdata/python/requirements.txt")
			},
			run: func(dir, url string) *exec.Cmd {
				cmd := exec.Command("python3", "testdata/python/client.py", url)
				cmd.Env = append(os.Environ(), "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1")
				return cmd
			},
		},
		{
			name: "amqplib", pins: "testdata/node/package.json",
			install: func(dir string) *exec.Cmd {
				return exec.Command("npm", "install", "--silent", "--no-audit", "--no-fund", "--install-links", "--prefix", dir, "amqplib@2.3.1")
			},
			run: func(dir, url string) *exec.Cmd {
				cmd := exec.Command("node", "testdata/node/client.js", url)
				cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(dir, "node_modules"))
				return cmd
			},
		},
		{
			name: "java", pins: "testdata/java/pom.xml",
			install: func(dir string) *exec.Cmd {
				return exec.Command("mvn", "--batch-mode", "--quiet", "--file", "testdata/java/pom.xml", "dependency:copy-dependencies",
					"-DincludeScope=runtime", "-DoutputDirectory="+dir)
			},
			run: func(dir, url string) *exec.Cmd {
				return exec.Command("java", "-cp", filepath.Join(dir, "*"), "testdata/java/Client.java", url)
			},
		},
	}}
}

// test runs every client against server.
func (cs *clients) test(t *testing.T, server amqptest.Server) {
	t.Helper()
	for _, c := range cs.list {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := cs.installed(t, c)
			cmd := c.run(dir, "amqp://"+amqptest.User+":"+amqptest.Password+"@"+server.Addr())
			if out, err := bounded(t, cmd); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

// installed is the folder with the client's package, brought there by the first test on this machine that needs it.
func (cs *clients) installed(t *testing.T, c client) string {
	t.Helper()
	cs.installing.Lock()
	defer cs.installing.Unlock()
	pins, err := os.ReadFile(c.pins)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := testenv.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "amqp-clients", fmt.Sprintf("%s-%x", c.name, sha256.Sum256(pins))[:len(c.name)+13])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	fresh := fmt.Sprintf("%s-new-%d", dir, os.Getpid())
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	if out, err := bounded(t, c.install(fresh)); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("MSDEV_TEST_REQUIRE") == "1" {
			t.Fatalf("install %s: %v\n%s", c.name, err, out)
		}
		t.Skipf("%s cannot be installed here (it needs its tool and the network): %v", c.name, err)
	}
	// Another test program may have been faster: then its folder is as good.
	if err := os.Rename(fresh, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bounded runs cmd and ends it after five minutes.
func bounded(t *testing.T, cmd *exec.Cmd) (output []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err = cmd.Wait()
	return out.Bytes(), err
}
