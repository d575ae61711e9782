package session

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"msdev/brokers"
)

// TestBackups finds the backups of one queue among all that is kept, the newest first.
func TestBackups(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	queue := brokers.Source{Kind: brokers.SourceQueue, Name: "a/b"}
	if files, err := Backups("p", "mq", queue); err != nil || files != nil {
		t.Fatalf("nothing was kept, and there are %v, %v", files, err)
	}
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var made []string
	for _, f := range []func() (string, error){
		func() (string, error) { return BackupFile("p", "mq", queue, noon) },
		func() (string, error) { return BackupFile("p", "mq", queue, noon.Add(time.Hour)) },
		func() (string, error) { return KeptFile("p", "mq", queue, ".redrive") },
		func() (string, error) {
			return BackupFile("p", "mq", brokers.Source{Kind: brokers.SourceQueue, Name: "a/b.dead"}, noon)
		},
		func() (string, error) {
			return BackupFile("p", "mq", brokers.Source{Kind: brokers.SourceTopic, Name: "a/b"}, noon)
		},
	} {
		path, err := f()
		if err == nil {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, path)
	}
	files, err := Backups("p", "mq", queue)
	if err != nil || len(files) != 2 || files[0] != made[1] || files[1] != made[0] {
		t.Errorf("the backups are %v, %v", files, err)
	}
	if want := "mq_queue_a_b.2026-05-01T120000.jsonl.zst"; filepath.Base(made[0]) != want {
		t.Errorf("a backup is called %s", made[0])
	}
}
