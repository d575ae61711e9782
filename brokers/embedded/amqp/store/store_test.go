package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// opened is a log that runs until closed.
type opened struct {
	*Log
	found []Recovered
	stop  func()
}

func open(t *testing.T, dir string) *opened {
	t.Helper()
	o := &opened{}
	l, err := Open(dir, slog.New(slog.DiscardHandler), func(home uint64) bool { return home < 100 },
		func(r Recovered) { o.found = append(o.found, r) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = l.Run(ctx) })
	o.Log, o.stop = l, func() { cancel(); running.Wait() }
	t.Cleanup(o.stop)
	return o
}

type waiter chan bool

func (w waiter) Stored(_ uint64, ok bool) { w <- ok }

// sync waits until everything so far is on disk.
func (o *opened) sync(t *testing.T) {
	t.Helper()
	w := make(waiter, 1)
	o.Sync(Receipt{To: w})
	if !<-w {
		t.Fatal("not written")
	}
}

func (o *opened) payloads() (list []string) {
	for _, r := range o.found {
		list = append(list, string(r.Payload))
	}
	return list
}

func put(o *opened, homes []uint64, payload string) *Item {
	it := &Item{}
	o.Put(it, homes, false, nil, Receipt{}, []byte(payload))
	return it
}

func TestLogKeepsWhatNobodyDropped(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	a := put(o, []uint64{1, 2}, "a")
	b := put(o, []uint64{1}, "b")
	put(o, []uint64{2}, "c")
	put(o, []uint64{500}, "of a home that is gone")
	o.Put(&Item{}, []uint64{1}, true, nil, Receipt{}, []byte("volatile"))
	o.Drop(a, 1)
	o.Drop(b, 1)
	o.Mark(2, a)
	o.Returns(a, 2, 3)
	o.sync(t)
	if got, err := o.Read(a); err != nil || string(got) != "a" {
		t.Fatalf("read %q, %v", got, err)
	}
	o.stop()
	again := open(t, dir)
	if got, want := fmt.Sprint(again.payloads()), "[a c]"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if h := again.found[0].Homes; len(h) != 1 || h[0] != (Home{ID: 2, Delivered: true, Returns: 3}) {
		t.Fatalf("homes %+v", h)
	}
	if h := again.found[1].Homes; h[0].Delivered {
		t.Fatalf("a message behind the mark is called delivered")
	}
	again.stop()
	if third := open(t, dir); fmt.Sprint(third.payloads()) != "[a c]" || !third.found[0].Homes[0].Delivered {
		t.Fatalf("after a second restart: %+v", third.found)
	}
}

func TestLogToleratesATornTail(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	for i := range 10 {
		put(o, []uint64{1}, fmt.Sprint("message ", i))
	}
	o.sync(t)
	o.stop()
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, "00000001.log"), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		again := open(t, torn)
		for i, p := range again.payloads() {
			if p != fmt.Sprint("message ", i) {
				t.Fatalf("cut at %d: message %d is %q", cut, i, p)
			}
		}
		again.stop()
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	if err := os.WriteFile(files[0], flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir); len(again.found) == 0 || len(again.found) >= 10 {
		t.Fatalf("%d messages after a flipped bit in the middle", len(again.found))
	}
}

func TestLogDoesNotGrowWithDeadMessages(t *testing.T) {
	o := open(t, t.TempDir())
	keep := put(o, []uint64{1}, "kept from the beginning")
	payload := string(make([]byte, 64<<10))
	for range 2400 { // 150 MB
		it := put(o, []uint64{1}, payload)
		o.Drop(it, 1)
	}
	for range 3 { // moved messages settle with the next write
		o.sync(t)
	}
	total, live := o.Size()
	if total > slack+3*segmentSize {
		t.Errorf("%d octets of files for %d that live", total, live)
	}
	if got, err := o.Read(keep); err != nil || string(got) != "kept from the beginning" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestLogTellsWhenItCannotWrite(t *testing.T) {
	o := open(t, t.TempDir())
	o.sync(t)
	o.mu.Lock()
	_ = o.segments[len(o.segments)-1].file.Close()
	o.mu.Unlock()
	w := make(waiter, 1)
	o.Put(&Item{}, []uint64{1}, false, nil, Receipt{To: w}, []byte("x"))
	if <-w {
		t.Fatal("confirmed, although the file was closed")
	}
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "definitions")
	open := func() *Table {
		table, err := OpenTable(path)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	table := open()
	for i := range 20000 { // enough to rewrite the file several times
		if err := table.Put(fmt.Sprint("k", i%10), map[string]int{"i": i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Delete("k3"); err != nil {
		t.Fatal(err)
	}
	if table.size > 2<<20 {
		t.Errorf("the file has %d octets", table.size)
	}
	// Not closed: as after a kill. A torn last write is cut off.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write([]byte{9, 0, 0, 0, 1, 2, 3})
	_ = f.Close()
	again := open()
	if len(again.items) != 9 || string(again.items["k9"]) != `{"i":19999}` {
		t.Fatalf("got %s", again.items)
	}
}
