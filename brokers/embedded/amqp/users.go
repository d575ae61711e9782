package amqp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"sync"
)

// users are who may log in.
type users struct {
	mu   sync.RWMutex
	list map[string]*user
}

// user is one account. Its password is kept as RabbitMQ keeps it: base64 of a four-octet salt and the SHA-256 of salt
// and password.
type user struct {
	name        string
	tags        []string
	mu          sync.RWMutex
	hash        string
	permissions map[string]permission // by vhost
}

// permission is what a user may do in a vhost: regular expressions over the names of queues and exchanges. An empty
// one allows nothing.
type permission struct {
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`

	configure, write, read *regexp.Regexp // nil: everything
}

func newUsers(passwords map[string]string) *users {
	u := &users{list: map[string]*user{}}
	for name, password := range passwords {
		u.list[name] = &user{name: name, hash: hashPassword(password), tags: []string{"administrator"}, permissions: map[string]permission{}}
	}
	return u
}

func hashPassword(password string) string {
	var salt [4]byte
	_, _ = rand.Read(salt[:]) // never fails
	return base64.StdEncoding.EncodeToString(salted(salt[:], password))
}

func salted(salt []byte, password string) []byte {
	sum := sha256.Sum256(append(slices.Clone(salt), password...))
	return append(slices.Clone(salt), sum[:]...)
}

// login returns the user, or nil when name and password do not fit.
func (u *users) login(name, password string) *user {
	if x := u.get(name); x != nil && x.check(password) {
		return x
	}
	return nil
}

func (u *users) get(name string) *user {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.list[name]
}

func (u *users) all() []*user {
	u.mu.RLock()
	defer u.mu.RUnlock()
	list := make([]*user, 0, len(u.list))
	for _, name := range slices.Sorted(maps.Keys(u.list)) {
		list = append(list, u.list[name])
	}
	return list
}

func (u *users) put(x *user) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list[x.name] = x
}

func (u *users) remove(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.list, name)
}

func (x *user) check(password string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	want, err := base64.StdEncoding.DecodeString(x.hash)
	if err != nil || len(want) < 4 {
		return false
	}
	return subtle.ConstantTimeCompare(want, salted(want[:4], password)) == 1
}

// is tells whether a user has a tag.
func (x *user) is(tag string) bool { return slices.Contains(x.tags, tag) }

// mayOpen tells whether a user may use a vhost.
func (x *user) mayOpen(vhost string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, ok := x.permissions[vhost]
	return ok
}

// permit sets what a user may do in a vhost.
func (x *user) permit(vhost string, p permission) error {
	var err error
	compile := func(s string) *regexp.Regexp {
		if s == ".*" || err != nil {
			return nil
		}
		if s == "" {
			s = "^$"
		}
		var re *regexp.Regexp
		re, err = regexp.Compile(s)
		return re
	}
	p.configure, p.write, p.read = compile(p.Configure), compile(p.Write), compile(p.Read)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.permissions = maps.Clone(x.permissions)
	x.permissions[vhost] = p
	return nil
}

// permitAll lets a user do everything in a vhost, unless something else is set.
func (x *user) permitAll(vhost string) {
	if !x.mayOpen(vhost) {
		_ = x.permit(vhost, permission{Configure: ".*", Write: ".*", Read: ".*"}) // compiles
	}
}

// forbid takes a user's permissions for a vhost away.
func (x *user) forbid(vhost string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.permissions = maps.Clone(x.permissions)
	delete(x.permissions, vhost)
}

// access is what a method does to a resource.
type access int

const (
	toConfigure access = iota
	toWrite
	toRead
)

func (a access) String() string { return [...]string{"configure", "write", "read"}[a] }

// may checks a user's permission for a queue or exchange.
func (x *user) may(a access, v *vhost, kind, name string) *Error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	p, ok := x.permissions[v.name]
	re := p.configure
	switch a {
	case toWrite:
		re = p.write
	case toRead:
		re = p.read
	}
	if name == "" {
		name = "amq.default"
	}
	if ok && (re == nil || re.MatchString(name)) {
		return nil
	}
	return fail(codeAccessRefused, "%s access to %s refused for user '%s'", a, v.title(kind, name), x.name)
}
