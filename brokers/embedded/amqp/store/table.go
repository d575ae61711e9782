package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Table is a durable map of definitions. A change is in the file before the method returns, so it survives the
// process; Sync makes it survive the machine.
type Table struct {
	path string

	mu    sync.Mutex
	file  *os.File
	size  int64
	live  int64
	items map[string]json.RawMessage
}

type row struct {
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v,omitempty"` // absent: deleted
}

// OpenTable opens the table at a path, creating it.
func OpenTable(path string) (*Table, error) {
	t := &Table{path: path, items: map[string]json.RawMessage{}}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for len(b) > 0 {
		payload, rest, err := nextRecord(b)
		if err != nil {
			break // a torn last write
		}
		var r row
		if json.Unmarshal(payload, &r) == nil {
			t.apply(r)
		}
		b = rest
	}
	return t, t.rewrite()
}

func (t *Table) apply(r row) {
	t.live -= int64(len(t.items[r.Key]))
	if r.Value == nil {
		delete(t.items, r.Key)
		return
	}
	t.items[r.Key] = r.Value
	t.live += int64(len(r.Value))
}

// Each calls f with every definition.
func (t *Table) Each(f func(key string, value json.RawMessage)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, v := range t.items {
		f(k, v)
	}
}

// Put sets a definition.
func (t *Table) Put(key string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return t.write(row{key, b})
}

// Delete removes a definition.
func (t *Table) Delete(key string) error { return t.write(row{Key: key}) }

func (t *Table) write(r row) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.items[r.Key]; r.Value == nil && !known {
		return nil
	}
	t.apply(r)
	b := encodeRow(nil, r)
	n, err := t.file.WriteAt(b, t.size)
	if err != nil {
		return err
	}
	t.size += int64(n)
	if t.size > 1<<20+8*t.live {
		return t.rewrite()
	}
	return nil
}

func encodeRow(b []byte, r row) []byte {
	payload, _ := json.Marshal(r) // strings and raw JSON always marshal
	b, at := beginRecord(b)
	return endRecord(append(b, payload...), at)
}

// rewrite replaces the file by one that holds just what lives.
func (t *Table) rewrite() error {
	var b []byte
	for k, v := range t.items {
		b = encodeRow(b, row{k, v})
	}
	tmp, err := os.CreateTemp(filepath.Dir(t.path), ".definitions-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), t.path)
	}
	if err != nil {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
		return err
	}
	if t.file != nil {
		_ = t.file.Close()
	}
	t.file, t.size = tmp, int64(len(b))
	return nil
}

// Close syncs and closes the file.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.file.Sync(), t.file.Close())
}
