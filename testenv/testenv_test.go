package testenv_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"msdev/testenv"
)

func TestProjectName(t *testing.T) {
	t.Run("A sub-test, with (signs) and a name of some length", func(t *testing.T) {
		name, other := testenv.ProjectName(t), testenv.ProjectName(t)
		if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,50}$`).MatchString(name) {
			t.Errorf("%q is no name for a project", name)
		}
		if name == other {
			t.Errorf("two names are equal: %s", name)
		}
		if pid, ok := testenv.ProjectOwner(name); !ok || pid != os.Getpid() {
			t.Errorf("the owner of %s is %d, %v; want %d", name, pid, ok, os.Getpid())
		}
	})
	for _, name := range []string{"shop", "mt-a-b-c", "mt-12-a", "x-mt-12-a", "mt-a-1-b-c"} {
		if pid, ok := testenv.ProjectOwner(name); ok {
			t.Errorf("%s has owner %d, want none", name, pid)
		}
	}
}

func TestEngines(t *testing.T) {
	for _, e := range testenv.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			if testenv.EngineNamed(t, e.Name) != e {
				t.Errorf("the engine named %s is another", e.Name)
			}
			out, err := exec.Command("docker", "--host", e.Host, "run", "--rm", "msdev-test/app", "env", "PATH").CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), "/usr/local/sbin") {
				t.Errorf("the test program in a container: %v\n%s", err, out)
			}
		})
	}
}

func TestCompose(t *testing.T) {
	out, err := exec.Command(testenv.Compose(t), "version", "--short").CombinedOutput()
	if want := strings.TrimPrefix(testenv.ComposeVersion, "v"); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("docker-compose version: %s, want %s; error %v", out, want, err)
	}
	cmd := exec.Command("docker", "--config", testenv.DockerConfig(t), "buildx", "version")
	if out, err = cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), testenv.BuildxVersion) {
		t.Errorf("docker buildx version: %s, want %s; error %v", out, testenv.BuildxVersion, err)
	}
}

func TestKafka(t *testing.T) {
	lister := map[string]string{"4.1": "org.apache.kafka.tools.TopicCommand", "2.8": "kafka.admin.TopicCommand"}
	for _, line := range testenv.KafkaLines() {
		t.Run(line.Name, func(t *testing.T) {
			broker := testenv.Kafka(t, line.Name)
			tool := testenv.KafkaDir(t, line.Name)
			for _, args := range [][]string{{"--create", "--topic", "orders", "--partitions", "3"}, {"--list"}} {
				cmd := tool.Tool(t.Context(), lister[line.Name], append([]string{"--bootstrap-server", broker.Address}, args...)...)
				out, err := cmd.Output()
				if err != nil || !strings.Contains(string(out), "orders") {
					t.Fatalf("%v: %s, error %v", args, out, err)
				}
			}
			out, err := exec.Command(testenv.Tool(t, "kcat"), "-L", "-J", "-b", broker.Address).Output()
			var seen struct {
				Topics []struct {
					Topic      string
					Partitions []struct{}
				}
			}
			if err != nil || json.Unmarshal(out, &seen) != nil || len(seen.Topics) != 1 || len(seen.Topics[0].Partitions) != 3 {
				t.Errorf("kcat sees %s, error %v", out, err)
			}
		})
	}
}

func TestRabbitMQ(t *testing.T) {
	for _, line := range []string{"3.10", "4.0"} {
		t.Run(line, func(t *testing.T) {
			rabbit := testenv.RabbitMQ(t, line)
			address := rabbit.VirtualHost(t)
			name := address[strings.LastIndex(address, "/")+1:]
			answer, err := http.Get(rabbit.Management + "/api/vhosts/" + name)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("the virtual host %s: %s", name, answer.Status)
			}
		})
	}
}
