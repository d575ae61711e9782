package session

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"msdev/brokers"
)

// keptIn is the folder, in that of a project, for what is kept of queues and topics.
const keptIn = "messages"

// backupTime stands in the name of a backup: names sort by it.
const backupTime = ".2006-01-02T150405"

// KeptFile is where a project keeps something about a queue or topic, such as how far a redrive is. Its folder is there.
func KeptFile(project, broker string, from brokers.Source, ending string) (string, error) {
	dir, err := StateDir(project)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, keptIn)
	return filepath.Join(dir, keptName(broker, from)+ending), os.MkdirAll(dir, 0o700)
}

// BackupFile is where a purge saves what it removes.
func BackupFile(project, broker string, from brokers.Source, at time.Time) (string, error) {
	return KeptFile(project, broker, from, at.Format(backupTime)+".jsonl.zst")
}

// Backups are what purges of a queue or topic have saved there, the newest first.
func Backups(project, broker string, from brokers.Source) ([]string, error) {
	dir, err := StateDir(project)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, keptIn))
	if os.IsNotExist(err) {
		return nil, nil
	}
	var files []string
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), keptName(broker, from))
		if rest, whole := strings.CutSuffix(rest, ".jsonl.zst"); ok && whole {
			if _, err := time.Parse(backupTime, rest); err == nil {
				files = append(files, filepath.Join(dir, keptIn, e.Name()))
			}
		}
	}
	slices.Sort(files)
	slices.Reverse(files)
	return files, err
}

// keptName is a place as a part of a file's name.
func keptName(broker string, from brokers.Source) string {
	name := broker + "/" + string(from.Kind) + ":" + from.Name
	if len(from.Partitions) == 1 {
		name += "/" + strconv.Itoa(int(from.Partitions[0]))
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/\\:", r) || r < ' ' {
			return '_'
		}
		return r
	}, name)
}
