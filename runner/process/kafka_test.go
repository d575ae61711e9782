package process

import (
	"strings"
	"testing"
)

func TestStrandedByKafka(t *testing.T) {
	const twoWays = `environment: {KAFKA_LISTENERS: "IN://:9092,OUT://:29092,CONTROLLER://:9093", KAFKA_ADVERTISED_LISTENERS: "IN://log:9092,OUT://localhost:29092"}`
	tests := []struct {
		name, kafka, calls string
		want               string // in the note; empty: there is none
	}{
		{"only for containers", `environment: {KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://log:9092"}`, "log:9092", "log:9092"},
		{"another image's variables", `environment: {KAFKA_CFG_ADVERTISED_LISTENERS: "PLAINTEXT://log:9092"}`, "log:9092", "log:9092"},
		{"the inner of two ways", twoWays, "log:9092", "log:9092"},
		{"the outer of two ways", twoWays, "log:29092", ""},
		{"an address of this machine", `environment: {KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://127.0.0.1:9092"}`, "log:9092", ""},
		{"a host elsewhere", `environment: {KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://kafka.example.com:9092"}`, "log:9092", ""},
		{"nothing is said", `environment: {}`, "log:9092", ""},
		{"nonsense", `environment: {KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT:/,x://,a://b:c"}`, "log:9092", ""},
		{"flags", `command: [start, --advertise-kafka-addr, "internal://log:9092,external://localhost:19092"]`, "log:9092", "log:9092"},
		{"a flag in one word", `command: [start, "--advertise-kafka-addr=internal://log:9092"]`, "log:9092", "log:9092"},
		{"nobody calls it", `environment: {KAFKA_ADVERTISED_LISTENERS: "PLAINTEXT://log:9092"}`, "elsewhere:9092", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := project(t, "services:\n  log:\n    image: apache/kafka\n    "+test.kafka+"\n  orders:\n    image: x\n    environment: {BROKERS: \"other:1,"+test.calls+"\"}\n    x-msdev: {run: x}\n")
			r, err := New(p, Options{StateDir: t.TempDir(), Native: func(s string) bool { return s == "orders" }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			notes := strings.Join(r.Notes(), "\n")
			if test.want == "" && notes != "" || !strings.Contains(notes, test.want) {
				t.Errorf("%q, not %q", notes, test.want)
			}
			if test.want != "" && !strings.Contains(notes, `service "orders"`) {
				t.Errorf("it names nobody: %s", notes)
			}
		})
	}
}

func TestCalledPorts(t *testing.T) {
	p := project(t, `services:
  db: {image: x}
  a: {image: x, environment: {DB: "postgres://u:p@db/x", DB_HOST: db, DB_PORT: "7", MORE: "db:9,db:99999,notdb:8"}}
  b: {image: x, command: [serve, "--db=data:10"], x-msdev: {run: "x db:11"}}
  c: {image: x, networks: {default: {aliases: [self]}}, environment: {SELF: "self:1"}}
`)
	names := map[string]string{"db": "db", "data": "db", "self": "c"}
	got := map[int]bool{}
	for _, port := range called(p, names, "db") {
		got[port] = true
	}
	for _, want := range []int{5432, 7, 9, 10, 11} {
		if !got[want] {
			t.Errorf("port %d is not among %v", want, got)
		}
	}
	if len(got) != 5 || len(called(p, names, "c")) != 0 {
		t.Errorf("%v, and %v of one that only names itself", got, called(p, names, "c"))
	}
}
