// Command reload measures how long it takes from a saved file of a native Go service until its new version answers: with
// `msdev watch`, with air as it comes and at its fastest, and with a floor that knows of the save and does nothing but
// `go build`, end the old process and start the new one. All are saved in turn in one run, as figures of different runs on a
// shared machine do not compare. All the while each is asked by clients that keep their connection and by such that do not; what
// they were not answered is counted. It prints medians.
//
//	go run ./bench/reload [-n 7]
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"msdev/testenv"
)

// slack is what msdev may take longer than the floor.
const slack = 60 * time.Millisecond

func main() {
	n := flag.Int("n", 7, "reloads of each; the median counts")
	flag.Parse()
	if err := run(*n); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(n int) error {
	dir, err := os.MkdirTemp("", "bench-reload-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	msdev := filepath.Join(dir, "msdev")
	if out, err := exec.Command("go", "build", "-o", msdev, "msdev").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	cache, err := testenv.CacheDir()
	if err != nil {
		return err
	}
	air := filepath.Join(cache, "bin", "air")
	if _, err := os.Stat(air); err != nil {
		return fmt.Errorf("air is not there (%w)\nRun: go run ./testenv/setup bench", err)
	}
	all := []*contender{
		{name: "floor: go build, end, start", by: &byHand{}},
		{name: "msdev watch", by: &byMsdev{program: msdev}},
		{name: "air", by: &byAir{program: air, delays: "delay = 1000"}},
		{name: "air at its fastest", by: &byAir{program: air, delays: "delay = 1\nkill_delay = \"1ms\"\nrerun_delay = 1"}},
	}
	for i, c := range all {
		defer c.end()
		if err := c.begin(filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	average, _ := os.ReadFile("/proc/loadavg")
	for range n {
		for _, c := range all {
			time.Sleep(700 * time.Millisecond) // as a person pauses
			if err := c.save(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	fmt.Printf("Load average at the beginning: %s\n\n", strings.Join(strings.Fields(string(average))[:3], " "))
	fmt.Println("| save → the new version answers | median | least–most | failed requests | reloads with a failed request |")
	fmt.Println("|---|---|---|---|---|")
	for _, c := range all {
		fmt.Println(c.row())
	}
	fmt.Println()
	if floor, ours := all[0].median(), all[1].median(); ours > floor+slack {
		fmt.Printf("The goal (floor + %s = %s) is missed by %s.\n", slack, short(floor+slack), short(ours-floor-slack))
	} else {
		fmt.Printf("The goal (floor + %s = %s) is met: %s.\n", slack, short(floor+slack), short(ours))
	}
	return nil
}

func short(d time.Duration) string { return d.Round(time.Millisecond).String() }

const program = `package main

import (
	"fmt"
	"net/http"
	"os"
)

const version = "VERSION"

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, version) })
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
`

// contender is one way to have the new version answer.
type contender struct {
	name string
	by   way

	dir     string
	port    int
	version string
	saves   int
	took    []time.Duration
	clients tally
	harmed  int // reloads with a failed request
}

// way is how the versions of a contender come to run.
type way interface {
	begin(dir string, port int) error // has the first one run, and the others when they are saved
	saved() error                     // is told of a save
	end()
}

func (c *contender) begin(dir string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	c.dir, c.port = dir, port
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module web\n\ngo 1.24\n"), 0o600), c.write()); err != nil {
		return err
	}
	if err := c.by.begin(dir, port); err != nil {
		return err
	}
	_, _, err = load(port, c.version)
	return err
}

func (c *contender) end() { c.by.end() }

// write saves another version.
func (c *contender) write() error {
	c.saves++
	c.version = fmt.Sprintf("%s, %d", c.name, c.saves)
	return os.WriteFile(filepath.Join(c.dir, "main.go"), []byte(strings.ReplaceAll(program, "VERSION", c.version)), 0o600)
}

// save saves another version and waits until it answers.
func (c *contender) save() error {
	asking := make(chan result, 1)
	version := fmt.Sprintf("%s, %d", c.name, c.saves+1)
	go func() {
		at, clients, err := load(c.port, version)
		asking <- result{at, clients, err}
	}()
	time.Sleep(50 * time.Millisecond) // the clients are under way
	began := time.Now()
	err := c.write()
	if err == nil {
		err = c.by.saved()
	}
	r := <-asking
	c.took = append(c.took, r.at.Sub(began))
	c.clients.asked += r.clients.asked
	c.clients.failed += r.clients.failed
	if r.clients.failed > 0 {
		c.harmed++
	}
	return errors.Join(err, r.err)
}

func (c *contender) median() time.Duration {
	slices.Sort(c.took)
	return c.took[len(c.took)/2]
}

func (c *contender) row() string {
	median := c.median()
	return fmt.Sprintf("| %s | %s | %s–%s | %d of %d | %d of %d |", c.name, short(median), short(c.took[0]), short(c.took[len(c.took)-1]),
		c.clients.failed, c.clients.asked, c.harmed, len(c.took))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
