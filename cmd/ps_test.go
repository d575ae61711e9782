package cmd_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// sameps: `ps` says the same of the script's project as the real Compose does, key by key, of whatever has not its own clock.
func samePs(ts *testscript.TestScript, _ bool, _ []string) {
	rows := func(program string, args ...string) map[string]map[string]any {
		ts.Check(ts.Exec(program, args...))
		byName := map[string]map[string]any{}
		for line := range strings.Lines(ts.ReadFile("stdout")) {
			var row map[string]any
			ts.Check(json.Unmarshal([]byte(line), &row))
			for _, key := range []string{"RunningFor", "Status", "Engine"} { // the clock; and what newer ones add
				delete(row, key)
			}
			for _, key := range []string{"Labels", "Mounts", "Networks"} { // in no order
				parts := strings.Split(row[key].(string), ",")
				slices.Sort(parts)
				row[key] = strings.Join(parts, ",")
			}
			byName[row["Name"].(string)] = row
		}
		return byName
	}
	want := rows(ts.Getenv("COMPOSE"), "-p", ts.Getenv("P"), "ps", "-a", "--format", "json")
	got := rows("msdev", "-p", ts.Getenv("P"), "ps", "-a", "--format", "jsonl")
	if len(want) == 0 {
		ts.Fatalf("Compose sees nothing")
	}
	for name, row := range want {
		for key, value := range row {
			if other, has := got[name][key]; !has || !reflect.DeepEqual(other, value) {
				ts.Fatalf("%s: %s is %#v, and Compose has %#v", name, key, other, value)
			}
		}
	}
	if len(got) != len(want) {
		ts.Fatalf("%d instances, and Compose has %d", len(got), len(want))
	}
}
