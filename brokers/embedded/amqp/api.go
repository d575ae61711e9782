package amqp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// api is the HTTP management API: the paths and the JSON are RabbitMQ's, as its HTTP API reference describes them.
type api struct {
	b   *Broker
	mux *http.ServeMux
}

// httpError is an answer other than success.
type httpError struct {
	status        int
	name, explain string
}

func (e *httpError) Error() string { return e.explain }

func badRequest(format string, args ...any) error {
	return &httpError{http.StatusBadRequest, "bad_request", fmt.Sprintf(format, args...)}
}

func notFound() error { return &httpError{http.StatusNotFound, "Object Not Found", "Not Found"} }

// created and noContent are answers without a body.
var (
	created   = &struct{ int }{http.StatusCreated}
	noContent = &struct{ int }{http.StatusNoContent}
)

// handler answers a request with a value for JSON, or created or noContent.
type handler func(r *http.Request) (any, error)

func newAPI(b *Broker) http.Handler {
	a := &api{b: b, mux: http.NewServeMux()}
	for _, routes := range []map[string]handler{brokerAPI{a}.routes(), topologyAPI{a}.routes(), bindingAPI{a}.routes(),
		queueAPI{a}.routes(), clientAPI{a}.routes(), definitionAPI{a}.routes(), userAPI{a}.routes()} {
		for pattern, h := range routes {
			a.mux.Handle(pattern, a.guard(pattern, h))
		}
	}
	a.mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, notFound()) })
	a.mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "msdev's embedded RabbitMQ-compatible broker. The management API is under /api.")
	})
	return a
}

// loneSlash ends a path segment that is nothing but an encoded slash, which a ServeMux would take for a path's end.
const loneSlash = "%00"

// ServeHTTP makes the vhost / a segment like any other.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(r.URL.EscapedPath(), "/")
	changed := false
	for i, s := range segments {
		if strings.EqualFold(s, "%2F") {
			segments[i], changed = s+loneSlash, true
		}
	}
	if changed {
		raw := strings.Join(segments, "/")
		path, err := url.PathUnescape(raw)
		if err != nil {
			writeError(w, notFound())
			return
		}
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = path, raw
	}
	a.mux.ServeHTTP(w, r)
}

// part is a named segment of the path.
func part(r *http.Request, name string) string { return strings.TrimSuffix(r.PathValue(name), "\x00") }

// guard checks the login, and turns what a handler returns into an answer.
func (a *api) guard(pattern string, h handler) http.Handler {
	admin := adminOnly(pattern)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		u := a.b.users.login(name, password)
		if u == nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="RabbitMQ Management"`)
			writeError(w, &httpError{http.StatusUnauthorized, "not_authorized", "Login failed"})
			return
		}
		if len(u.tags) == 0 || admin && !u.is("administrator") {
			writeError(w, &httpError{http.StatusUnauthorized, "not_authorized", "Not administrator user"})
			return
		}
		v, err := h(r)
		if err != nil {
			writeError(w, err)
			return
		}
		writeResult(w, r, v)
	})
}

// adminOnly tells which paths only administrators may use.
func adminOnly(pattern string) bool {
	method, path, _ := strings.Cut(pattern, " ")
	for _, prefix := range []string{"/api/users", "/api/permissions", "/api/definitions", "/api/vhosts"} {
		if strings.HasPrefix(path, prefix) && (method != "GET" || prefix != "/api/vhosts") {
			return true
		}
	}
	return false
}

func writeResult(w http.ResponseWriter, r *http.Request, v any) {
	switch v {
	case created:
		w.WriteHeader(http.StatusCreated)
		return
	case noContent:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if list, ok := v.([]map[string]any); ok {
		if list == nil {
			list = []map[string]any{}
		}
		v = paged(r, list)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	b, err := json.Marshal(v)
	if err != nil {
		writeError(w, err)
		return
	}
	_, _ = w.Write(b)
}

// writeError answers with RabbitMQ's error object. AMQP exceptions become the statuses its API uses for them.
func writeError(w http.ResponseWriter, err error) {
	var e *httpError
	var x *Error
	switch {
	case errors.As(err, &e):
	case errors.As(err, &x) && x.Code == codeNotFound:
		e = &httpError{http.StatusNotFound, "Object Not Found", "Not Found"}
	case errors.As(err, &x):
		e = &httpError{http.StatusBadRequest, "bad_request", x.Text}
	default:
		e = &httpError{http.StatusBadRequest, "bad_request", err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": e.name, "reason": e.explain})
}

// paged cuts a list as page, page_size and name ask for it; without page it is the whole list.
func paged(r *http.Request, list []map[string]any) any {
	q := r.URL.Query()
	page, err := strconv.Atoi(q.Get("page"))
	if err != nil || page < 1 {
		return list
	}
	size, err := strconv.Atoi(q.Get("page_size"))
	if err != nil || size < 1 {
		size = 100
	}
	total := len(list)
	if want := q.Get("name"); want != "" {
		kept := []map[string]any{}
		for _, v := range list {
			if name, _ := v["name"].(string); strings.Contains(name, want) {
				kept = append(kept, v)
			}
		}
		list = kept
	}
	from := min(len(list), (page-1)*min(size, 500))
	items := list[from:min(len(list), from+min(size, 500))]
	return map[string]any{"items": items, "item_count": len(items), "page": page, "page_size": size,
		"page_count": max(1, (len(list)+size-1)/size), "total_count": total, "filtered_count": len(list)}
}

// userName is who asks; guard has checked the login.
func userName(r *http.Request) string {
	name, _, _ := r.BasicAuth()
	return name
}

// body decodes a request's JSON; an empty body leaves v as it is.
func body(r *http.Request, v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<20))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil && r.ContentLength != 0 {
		return badRequest("the body is not the JSON this needs: %s", err)
	}
	return nil
}

// vhostOf finds the vhost in the path.
func (a *api) vhostOf(r *http.Request) (*vhost, error) {
	if v := a.b.vhost(part(r, "vhost")); v != nil {
		return v, nil
	}
	return nil, notFound()
}

// vhostsOf are all vhosts, or the one in the path.
func (a *api) vhostsOf(r *http.Request) ([]*vhost, error) {
	if part(r, "vhost") == "" {
		return a.b.allVhosts(), nil
	}
	v, err := a.vhostOf(r)
	if err != nil {
		return nil, err
	}
	return []*vhost{v}, nil
}

// asError keeps a nil *Error from becoming an error that is not nil.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

func done(answer any, e *Error) (any, error) {
	if e != nil {
		return nil, e
	}
	return answer, nil
}
