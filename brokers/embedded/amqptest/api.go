package amqptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	amqp "github.com/rabbitmq/amqp091-go"
)

// api is a client of the HTTP management API.
type api struct {
	k    *kit
	user string
	pass string
}

func (k *kit) api() api { return api{k: k, user: User, pass: Password} }

// object is a JSON object as the management API writes it.
type object = map[string]any

// do sends one request and returns the status and the body. path is under /api, its parts already escaped.
func (a api) do(method, path string, body any) (int, []byte) {
	a.k.Helper()
	var in io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		a.k.must(err, "encode a request")
		in = bytes.NewReader(encoded)
	}
	req, err := http.NewRequest(method, a.k.server.Management()+"/api"+path, in)
	a.k.must(err, "make a request")
	req.SetBasicAuth(a.user, a.pass)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	a.k.must(err, method+" "+path)
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	a.k.must(err, "read the answer of "+path)
	return res.StatusCode, out
}

// want sends a request whose status must be one of status.
func (a api) want(method, path string, body any, status ...int) []byte {
	a.k.Helper()
	got, out := a.do(method, path, body)
	for _, s := range status {
		if got == s {
			return out
		}
	}
	a.k.Fatalf("%s %s: got %d %s, want %v", method, path, got, out, status)
	return nil
}

// read GETs a path into v, which must be there.
func (a api) read(path string, v any) {
	a.k.Helper()
	a.readStatus(path, http.StatusOK, v)
}

// readStatus GETs a path, whose status must be status, into v.
func (a api) readStatus(path string, status int, v any) {
	a.k.Helper()
	out := a.want(http.MethodGet, path, nil, status)
	if err := json.Unmarshal(out, v); err != nil {
		a.k.Fatalf("GET %s: %v in %s", path, err, out)
	}
}

// object GETs one object.
func (a api) object(path string) object {
	a.k.Helper()
	var o object
	a.read(path, &o)
	return o
}

// list GETs a list of objects.
func (a api) list(path string) []object {
	a.k.Helper()
	var l []object
	a.read(path, &l)
	return l
}

// find is the element of a list whose key is value.
func (a api) find(path, key string, value any) object {
	a.k.Helper()
	for _, o := range a.list(path) {
		if fmt.Sprint(o[key]) == fmt.Sprint(value) {
			return o
		}
	}
	a.k.Fatalf("GET %s: no element with %s = %v", path, key, value)
	return nil
}

// shows asserts that o has the keys of want with their values; numbers compare as JSON's.
func (k *kit) shows(what string, o, want object) {
	k.Helper()
	for key, value := range want {
		encoded, err := json.Marshal(value)
		k.must(err, "encode")
		got, err := json.Marshal(o[key])
		k.must(err, "encode")
		if _, ok := o[key]; !ok || !bytes.Equal(got, encoded) {
			k.Errorf("%s: %s is %s, want %s", what, key, got, encoded)
		}
	}
}

// has asserts that o has the keys.
func (k *kit) has(what string, o object, keys ...string) {
	k.Helper()
	for _, key := range keys {
		if _, ok := o[key]; !ok {
			k.Errorf("%s lacks the key %s", what, key)
		}
	}
}

// vhost creates a virtual host that guest may use, and deletes it when the check ends.
func (k *kit) vhost() string {
	k.Helper()
	name := k.name("vhost")
	k.api().want(http.MethodPut, "/vhosts/"+name, object{}, http.StatusCreated)
	k.api().want(http.MethodPut, "/permissions/"+name+"/"+User, object{"configure": ".*", "write": ".*", "read": ".*"},
		http.StatusCreated, http.StatusNoContent)
	k.Cleanup(func() { k.api().want(http.MethodDelete, "/vhosts/"+name, nil, http.StatusNoContent) })
	return name
}

// inVhost opens a channel in confirm mode in a virtual host.
func (k *kit) inVhost(vhost string) *amqp.Channel {
	k.Helper()
	return k.open(k.dialAs(User, Password, vhost))
}

// escaped is one part of a path of the management API.
func escaped(part string) string { return url.PathEscape(part) }
