package docker

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"msdev/runner"
)

// frame is one message of the engine's log stream.
func frame(stream byte, text string) []byte {
	b := make([]byte, 8, 8+len(text))
	b[0] = stream
	binary.BigEndian.PutUint32(b[4:], uint32(len(text)))
	return append(b, text...)
}

func TestLogFrames(t *testing.T) {
	const at = "2024-02-29T23:59:58.123456789Z "
	big := strings.Repeat("y", runner.MaxLine)
	for name, test := range map[string]struct {
		frames [][]byte
		want   []string
	}{
		"lines":              {[][]byte{frame(1, at+"one\n"), frame(2, at+"two\n")}, []string{"out one +", "err two"}},
		"empty":              {[][]byte{frame(1, at+"\n")}, []string{"out "}},
		"carriage return":    {[][]byte{frame(1, at+"one\r\n")}, []string{"out one\r"}},
		"parts":              {[][]byte{frame(1, at+"on"), frame(2, at+"other\n"), frame(1, at+"e\n")}, []string{"err other +", "out one"}},
		"without its end":    {[][]byte{frame(1, at+"one\n"), frame(1, at+"tw")}, []string{"out one", "out tw"}},
		"a stamp in a line":  {[][]byte{frame(1, at+at+"x\n")}, []string{"out " + at + "x"}},
		"exactly the limit":  {[][]byte{frame(1, at+big+"\n")}, []string{"out " + big}},
		"over the limit":     {[][]byte{frame(1, at+big+"z\n")}, []string{"out " + big + " +", "out z"}},
		"limit over parts":   {[][]byte{frame(1, at+big), frame(1, at+"z"), frame(1, at+"!\n")}, []string{"out " + big + " +", "out z!"}},
		"cut in the middle":  {[][]byte{frame(1, at+"one\n"), frame(1, at+"two\n")[:20]}, []string{"out one"}},
		"a line of no stamp": {[][]byte{frame(1, "short\n")}, []string{"out short"}},
	} {
		var got []string
		var times []time.Time
		l := lineReader{from: bufio.NewReaderSize(bytes.NewReader(bytes.Join(test.frames, nil)), 64<<10), emit: func(l runner.LogLine) {
			s := "out " + l.Text
			if l.Stderr {
				s = "err " + l.Text
			}
			if l.More {
				s += " +"
			}
			got, times = append(got, s), append(times, l.Time)
		}}
		if err := l.framed(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: ended with %v", name, err)
		}
		l.flush()
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %.80q, not %.80q", name, got, test.want)
		}
		want := time.Date(2024, 2, 29, 23, 59, 58, 123456789, time.UTC)
		if name != "a line of no stamp" && !times[0].Equal(want) {
			t.Errorf("%s: time %s", name, times[0])
		}
	}
}

// TestLogResumed reads a stream that was cut off, and then one that begins at the moment of its last frame.
func TestLogResumed(t *testing.T) {
	at := func(n int, text string) []byte { return frame(1, fmt.Sprintf("2024-01-01T00:00:00.%09dZ %s", n, text)) }
	all := [][]byte{at(1, "a\n"), at(2, "b\n"), at(2, "c\n"), at(3, "part"), at(4, " of d\n"), at(5, "e\n")}
	for cut := 0; cut <= len(all); cut++ {
		var got []string
		l := lineReader{emit: func(l runner.LogLine) { got = append(got, l.Text) }}
		l.from = bufio.NewReader(bytes.NewReader(bytes.Join(all[:cut], nil)))
		_ = l.framed()
		second := all
		for !l.last.IsZero() && len(second) > 0 {
			if first, _ := cutStamp(second[0][frameHead:]); !first.Before(l.last) {
				break
			}
			second = second[1:]
		}
		l.again()
		l.from = bufio.NewReader(bytes.NewReader(bytes.Join(second, nil)))
		_ = l.framed()
		l.flush()
		if want := []string{"a", "b", "c", "part of d", "e"}; !slices.Equal(got, want) {
			t.Errorf("cut after %d: %q", cut, got)
		}
	}
}

func TestLogFailure(t *testing.T) {
	l := lineReader{from: bufio.NewReader(bytes.NewReader(frame(3, "broken log file"))), emit: func(runner.LogLine) {}}
	if err := l.framed(); err == nil || err.Error() != "broken log file" {
		t.Errorf("the engine's own error: %v", err)
	}
}

func BenchmarkLogFrames(b *testing.B) {
	const at = "2024-02-29T23:59:58.123456789Z "
	one := frame(1, at+`{"level":"info","msg":"order placed","order":"7f3a","total":41.9}`+"\n")
	stream := bytes.Repeat(one, 1000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		l := lineReader{from: bufio.NewReaderSize(bytes.NewReader(stream), 64<<10), emit: func(runner.LogLine) { n++ }}
		_ = l.framed()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/line")
}

func TestControlGroups(t *testing.T) {
	id := strings.Repeat("ab", 32)
	root := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v2 := "system.slice/docker-" + id + ".scope"
	put(v2+"/cpu.stat", "usage_usec 1500\nuser_usec 1000\n")
	put(v2+"/memory.current", "1000\n")
	put(v2+"/memory.stat", "anon 1\ninactive_file 300\n")
	put("cpu,cpuacct/docker/"+id+"/cpuacct.usage", "7000\n")
	put("memory/docker/"+id+"/memory.usage_in_bytes", "2000\n")
	put("memory/docker/"+id+"/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n")
	for lines, want := range map[string][2]int64{
		"0::/" + v2 + "\n":       {1_500_000, 700},
		"0::/" + v2 + "/inner\n": {1_500_000, 700},
		"5:memory:/docker/" + id + "\n4:cpu,cpuacct:/docker/" + id + "\n0::/docker/" + id + "\n": {7000, 1500},
	} {
		g := groupFrom(lines, id, 1, root)
		if g == nil {
			t.Errorf("%q has no group", lines)
			continue
		}
		if cpu, memory, err := g.read(); err != nil || int64(cpu) != want[0] || memory != want[1] {
			t.Errorf("%q: %d, %d, %v; not %v", lines, cpu, memory, err, want)
		}
	}
	for _, lines := range []string{"", "0::/\n", "nonsense\n", "0::/docker/" + strings.Repeat("cd", 32) + "\n"} {
		if g := groupFrom(lines, id, 1, root); g != nil {
			t.Errorf("%q is taken for the container's group: %+v", lines, g)
		}
	}
}

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	sum := sha256.Sum256([]byte("far"))
	id := hex.EncodeToString(sum[:])
	for name, content := range map[string]string{
		"config.json":                           `{"currentContext":"far"}`,
		"contexts/meta/" + id + "/meta.json":    `{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2376"}}}`,
		"contexts/tls/" + id + "/docker/ca.pem": "x",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := environment{"DOCKER_CONFIG": dir}
	with := func(k, v string) environment { return environment{"DOCKER_CONFIG": dir, k: v} }
	for _, test := range []struct {
		host string
		env  environment
		want string
	}{
		{"unix:///given", with("DOCKER_HOST", "unix:///env"), "unix:///given"},
		{"", with("DOCKER_HOST", "unix:///env"), "unix:///env"},
		{"", env, "tcp://far:2376"},
		{"", with("DOCKER_CONTEXT", "default"), "unix:///var/run/docker.sock"},
		{"", environment{"DOCKER_CONFIG": t.TempDir()}, "unix:///var/run/docker.sock"},
	} {
		at, err := locate(test.host, test.env)
		if err != nil || at.address != test.want {
			t.Errorf("%q, %v: %s, %v", test.host, test.env, at.address, err)
		}
	}
	if at, _ := locate("", env); at.tls.ca != filepath.Join(dir, "contexts/tls", id, "docker/ca.pem") || at.tls.key != "" || at.local() {
		t.Errorf("%+v", at)
	}
}

func TestSSHArgs(t *testing.T) {
	for address, want := range map[string]string{
		"ssh://host":                      "-o ConnectTimeout=30 -T -- host docker system dial-stdio",
		"ssh://me@host:2222":              "-o ConnectTimeout=30 -T -l me -p 2222 -- host docker system dial-stdio",
		"ssh://host/run/user/docker.sock": "-o ConnectTimeout=30 -T -- host docker --host unix:///run/user/docker.sock system dial-stdio",
	} {
		got, err := sshArgs(address)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
	for _, address := range []string{"ssh://", "ssh://me:secret@host", "ssh://%zz"} {
		if got, err := sshArgs(address); err == nil {
			t.Errorf("%s is taken: %q", address, got)
		}
	}
}

func TestLogin(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	helper := "#!/bin/sh\nread server\ncase $server in helped.example.com) echo '{\"Username\":\"h\",\"Secret\":\"s\"}';; token.example.com) echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}';; *) exit 1;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-mine"), []byte(helper), 0o755); err != nil {
		t.Fatal(err)
	}
	auth := base64.StdEncoding.EncodeToString([]byte("u:p:q"))
	config := fmt.Sprintf(`{"auths":{"https://index.docker.io/v1/":{"auth":%[1]q},"own.example.com:5000":{"auth":%[1]q},"https://url.example.com/v2/":{"auth":%[1]q},"broken.example.com":{"auth":"%%"}},
		"credHelpers":{"helped.example.com":"mine","token.example.com":"mine","evil.example.com":"../mine"}}`, auth)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	env := environment{"DOCKER_CONFIG": dir, "PATH": os.Getenv("PATH")}
	for host, want := range map[string]string{
		"docker.io": "u p:q ", "own.example.com:5000": "u p:q ", "url.example.com": "u p:q ",
		"helped.example.com": "h s ", "token.example.com": "  t",
		"broken.example.com": "", "evil.example.com": "", "other.example.com": "",
	} {
		login, ok := env.login(t.Context(), host)
		got := login.Username + " " + login.Password + " " + login.IdentityToken
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, not %q", host, got, want)
		}
	}
	if env.loginFor(t.Context(), "redis") == "" || env.loginFor(t.Context(), "other.example.com/x") != "" {
		t.Error("the login of an image is not that of its registry")
	}
}

func TestPorts(t *testing.T) {
	m := network.PortMap{
		network.MustParsePort("80/tcp"): {{HostPort: "8080"}, {HostPort: "8080"}},
		network.MustParsePort("53/udp"): nil,
	}
	got := fmt.Sprint(portsOf(m))
	if !strings.HasPrefix(got, "[{ 0 53 udp} { 8080 80 tcp}") {
		t.Errorf("%s", got)
	}
}

func TestUnsupported(t *testing.T) {
	zero := types.Duration(0)
	p := &runner.Project{Compose: &types.Project{
		Services: types.Services{
			"plain": {Name: "plain"},
			"web": {Name: "web", Deploy: &types.DeployConfig{Mode: "global", Labels: types.Labels{"a": "b"}}, ContainerSpec: types.ContainerSpec{
				MacAddress: "02:42:ac:11:00:02", Secrets: []types.ServiceSecretConfig{{Source: "s", UID: "1"}},
			}, WorkloadSpec: types.WorkloadSpec{HealthCheck: &types.HealthCheckConfig{StartInterval: &zero}}},
		},
		Secrets: types.Secrets{"s": {File: "/f", Labels: types.Labels{"a": "b"}}},
	}}
	static := []string{
		`secret "s": labels and driver_opts are not applied`,
		`service "web": deploy.labels is not applied`,
		`service "web": deploy.mode is not applied`,
		`service "web": uid, gid and mode of the secret "s" are not applied, as its file is mounted as it is`,
	}
	if got := Unsupported(p, "1.45"); !slices.Equal(got, static) {
		t.Errorf("%q", got)
	}
	old := Unsupported(p, "1.41")
	for _, want := range []string{
		`service "web": healthcheck.start_interval is not applied; it needs Docker Engine 25 or newer`,
		`service "web": mac_address is not applied; it needs Docker Engine 25 or newer`,
	} {
		if !slices.Contains(old, want) {
			t.Errorf("without %q: %q", want, old)
		}
	}
}

func TestHealthTest(t *testing.T) {
	for _, test := range []struct {
		health *container.HealthConfig
		shell  []string
		want   []string
	}{
		{nil, nil, nil},
		{&container.HealthConfig{Test: []string{"NONE"}}, nil, nil},
		{&container.HealthConfig{Test: []string{"CMD", "a", "b"}}, nil, []string{"a", "b"}},
		{&container.HealthConfig{Test: []string{"CMD-SHELL", "a b"}}, nil, []string{"/bin/sh", "-c", "a b"}},
		{&container.HealthConfig{Test: []string{"CMD-SHELL", "a b"}}, []string{"bash", "-c"}, []string{"bash", "-c", "a b"}},
	} {
		if got := healthTestOf(test.health, test.shell); !slices.Equal(got.command, test.want) || got.timeout != defaultProbeTimeout {
			t.Errorf("%+v: %+v", test.health, got)
		}
	}
}
