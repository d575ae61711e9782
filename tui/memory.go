package tui

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Memory is what the screen keeps of how it was left, for every project and without being told to. A nil one keeps nothing.
type Memory struct {
	path string
	sort map[string]string // by page, the column that its list is sorted by
}

// memory is the form of Memory on disk.
type memory struct {
	Sort map[string]string `json:"sort"`
}

// LoadMemory reads what was kept in a file; where it cannot be read, nothing was.
func LoadMemory(path string) *Memory {
	m := &Memory{path: path, sort: map[string]string{}}
	var kept memory
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &kept) == nil && kept.Sort != nil {
		m.sort = kept.Sort
	}
	return m
}

// sorted is the column that a page's list was sorted by, or "".
func (m *Memory) sorted(page string) string {
	if m == nil {
		return ""
	}
	return m.sort[page]
}

// sortBy keeps the column that a page's list is sorted by; "" is its own order. What cannot be written is forgotten with the screen:
// nobody has to be told.
func (m *Memory) sortBy(page, column string) {
	if m == nil {
		return
	}
	delete(m.sort, page)
	if column != "" {
		m.sort[page] = column
	}
	text, err := json.Marshal(memory{Sort: m.sort})
	if err != nil || os.MkdirAll(filepath.Dir(m.path), 0o700) != nil {
		return
	}
	part := m.path + ".part"
	if os.WriteFile(part, text, 0o600) == nil {
		_ = os.Rename(part, m.path)
	}
}
