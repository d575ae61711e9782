package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// How the clients ask.
const (
	clients  = 4 // one half keeps its connection, the other asks by a new one each time
	pace     = 20 * time.Millisecond
	patience = 2 * time.Minute
	after    = 500 * time.Millisecond // they go on for so long once the new version answers: the old one still ends
)

// tally counts requests.
type tally struct{ asked, failed int }

// result is what load found.
type result struct {
	at      time.Time
	clients tally
	err     error
}

// load asks a server until a version answers, and a little longer. It returns when that version answered first.
func load(port int, version string) (time.Time, tally, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var mu sync.Mutex
	var all tally
	var first time.Time
	var asking sync.WaitGroup
	for n := range clients {
		asking.Go(func() {
			transport := &http.Transport{DisableKeepAlives: n%2 == 0}
			defer transport.CloseIdleConnections()
			for ctx.Err() == nil {
				text, err := ask(ctx, transport, port)
				if ctx.Err() != nil {
					return // it was this one that gave up
				}
				mu.Lock()
				all.asked++
				if err != nil {
					all.failed++
				} else if text == version && first.IsZero() {
					first = time.Now()
					time.AfterFunc(after, cancel)
				}
				mu.Unlock()
				time.Sleep(pace)
			}
		})
	}
	asking.Wait()
	if first.IsZero() {
		return first, all, fmt.Errorf("%q never answered", version)
	}
	return first, all, nil
}

func ask(ctx context.Context, by http.RoundTripper, port int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", port), http.NoBody)
	if err != nil {
		return "", err
	}
	answer, err := by.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}
