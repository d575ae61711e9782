package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"msdev/brokers/filter"
	"msdev/runner"
)

// Handler is the door of the session: HTTP with JSON over the control socket or a pipe. ctx is the session's own; commands
// run in it, so that they go on when their client goes away.
func (s *Session) Handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) { s.serveDo(ctx, w, r) })
	mux.HandleFunc("POST /state", s.serveState)
	mux.HandleFunc("POST /watch", s.serveWatch)
	mux.HandleFunc("POST /records", s.serveRecords)
	mux.HandleFunc("POST /wait", s.serveWait)
	mux.HandleFunc("POST /exec", s.serveExec)
	s.brokerRoutes(ctx, mux)
	mux.HandleFunc("POST /environment", s.serveEnvironment)
	mux.HandleFunc("POST /details", s.serveDetails)
	mux.HandleFunc("POST /attach", func(w http.ResponseWriter, r *http.Request) { s.serveAttach(ctx, w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.enter(1)
		defer s.enter(-1)
		mux.ServeHTTP(w, r)
	})
}

// enter counts the clients that talk to the session.
func (s *Session) enter(n int) {
	s.mu.Lock()
	s.clients += n
	s.mu.Unlock()
	poke(s.moved)
}

func (s *Session) serveDo(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	var cmd Command
	if !decode(w, r, &cmd) {
		return
	}
	type outcome struct {
		res Result
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		res, err := s.do(ctx, cmd)
		done <- outcome{res, err}
	}()
	select {
	case <-r.Context().Done():
	case o := <-done:
		reply(w, o.res, o.err)
	}
}

// serveState answers with what is now: not with a state from before the first look, nor with one that is about to be renewed.
func (s *Session) serveState(w http.ResponseWriter, r *http.Request) {
	if err := s.sup.Ready(r.Context()); err != nil && s.sup.Trouble(r.Context()) == nil {
		reply(w, nil, err)
		return
	}
	s.refresh(r.Context())
	state, _ := s.current()
	reply(w, state, nil)
}

func (s *Session) serveWatch(w http.ResponseWriter, r *http.Request) {
	s.watch(1)
	defer s.watch(-1)
	enc := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	var sent State
	for last := false; ; {
		now, newer := s.current()
		if p, differs := diff(sent, now); differs {
			if enc.Encode(p) != nil || flush.Flush() != nil {
				return
			}
			sent = now
		}
		if last {
			return
		}
		select {
		case <-newer:
		case <-s.quit:
			last = true
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Session) watch(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers += n
}

func (s *Session) serveRecords(w http.ResponseWriter, r *http.Request) {
	var q RecordQuery
	if !decode(w, r, &q) {
		return
	}
	var values filter.Values
	if q.Messages != "" {
		values = s.decoder(r.Context()).Values
	}
	jq, err := q.Query(values)
	if err != nil {
		reply(w, nil, &runner.Error{Kind: runner.ErrUsage, Msg: err.Error()})
		return
	}
	cursor := q.Cursor
	if !q.Since.IsZero() && cursor == 0 {
		cursor = s.journal.Seek(q.Since, jq)
	}
	if q.Before {
		reply(w, s.journal.Before(cursor, jq), nil)
		return
	}
	reply(w, s.journal.After(cursor, jq), nil)
}

func (s *Session) serveWait(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		reply(w, nil, &runner.Error{Kind: runner.ErrUsage, Msg: "after is not a sequence number"})
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	last, err := s.journal.Wait(ctx, after)
	if errors.Is(err, context.Canceled) {
		err = &runner.Error{Kind: runner.ErrEngine, Msg: "the session has ended"}
	}
	reply(w, last, err)
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		reply(w, nil, &runner.Error{Kind: runner.ErrUsage, Msg: "the request is not what the session understands: " + err.Error()})
		return false
	}
	return true
}

func reply(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		v = newWireError(err)
	}
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
}
