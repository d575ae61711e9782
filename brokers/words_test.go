package brokers_test

import (
	"reflect"
	"testing"

	"msdev/brokers"
)

func TestReadWords(t *testing.T) {
	args, err := brokers.ReadArguments([]string{"x-match=all", "n=12", "on=true", "text=1.5", "none="})
	if want := (brokers.Arguments{"x-match": "all", "n": int64(12), "on": true, "text": "1.5", "none": ""}); err != nil || !reflect.DeepEqual(args, want) {
		t.Errorf("arguments %v, %v", args, err)
	}
	configs, err := brokers.ReadConfigs([]string{"retention.ms=10", "cleanup.policy="})
	if err != nil || *configs["retention.ms"] != "10" || configs["cleanup.policy"] != nil || len(configs) != 2 {
		t.Errorf("configs %v, %v", configs, err)
	}
	for _, wrong := range []string{"x", "=1"} {
		if _, err := brokers.ReadArguments([]string{wrong}); err == nil {
			t.Errorf("%q is an argument", wrong)
		}
		if _, err := brokers.ReadConfigs([]string{wrong}); err == nil {
			t.Errorf("%q is a setting", wrong)
		}
	}
	for text, want := range map[string][2]*string{
		"dead": {new(""), new("dead")}, "queue:dead": {new(""), new("dead")},
		"exchange:dlx": {new("dlx"), nil}, "exchange:dlx/late": {new("dlx"), new("late")},
	} {
		var q brokers.Queue
		q.DieTo(text)
		if !reflect.DeepEqual([2]*string{q.DeadExchange, q.DeadKey}, want) {
			t.Errorf("%s: %+v", text, q)
		}
	}
}
