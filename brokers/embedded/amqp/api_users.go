package amqp

import (
	"encoding/json"
	"net/http"
)

// userBody is a user as /api/users and the definitions have it.
type userBody struct {
	Name        string                `json:"name"`
	Hash        string                `json:"password_hash,omitempty"`
	Algorithm   string                `json:"hashing_algorithm,omitempty"`
	Password    string                `json:"password,omitempty"`
	Tags        any                   `json:"tags"`
	Limits      map[string]any        `json:"limits,omitempty"`
	Permissions map[string]permission `json:"x_permissions,omitempty"` // only in the broker's own table
}

type permissionBody struct {
	User  string `json:"user"`
	Vhost string `json:"vhost"`
	permission
}

// userAPI serves users and permissions.
type userAPI struct{ *api }

func (a userAPI) routes() map[string]handler {
	return map[string]handler{
		"GET /api/users":                         a.listUsers,
		"GET /api/users/{user}":                  a.getUser,
		"PUT /api/users/{user}":                  a.putUser,
		"DELETE /api/users/{user}":               a.deleteUser,
		"GET /api/users/{user}/permissions":      a.userPermissions,
		"GET /api/vhosts/{vhost}/permissions":    a.vhostPermissions,
		"GET /api/permissions":                   a.listPermissions,
		"GET /api/permissions/{vhost}/{user}":    a.getPermission,
		"PUT /api/permissions/{vhost}/{user}":    a.putPermission,
		"DELETE /api/permissions/{vhost}/{user}": a.deletePermission,
	}
}

func (x *user) definition() userBody {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return userBody{Name: x.name, Hash: x.hash, Algorithm: "rabbit_password_hashing_sha256", Tags: notNil(x.tags), Limits: map[string]any{}}
}

func (a userAPI) listUsers(*http.Request) (any, error) {
	list := []userBody{}
	for _, u := range a.b.users.all() {
		list = append(list, u.definition())
	}
	return list, nil
}

func (a userAPI) userOf(r *http.Request) (*user, error) {
	if u := a.b.users.get(part(r, "user")); u != nil {
		return u, nil
	}
	return nil, notFound()
}

func (a userAPI) getUser(r *http.Request) (any, error) {
	u, err := a.userOf(r)
	if err != nil {
		return nil, err
	}
	return u.definition(), nil
}

func (a userAPI) putUser(r *http.Request) (any, error) {
	var in userBody
	if err := body(r, &in); err != nil {
		return nil, err
	}
	in.Name = part(r, "user")
	answer := any(created)
	if a.b.users.get(in.Name) != nil {
		answer = noContent
	}
	return answer, a.putUserBody(in)
}

func (a *api) putUserBody(in userBody) error {
	if in.Name == "" {
		return badRequest("a user needs a name")
	}
	u := &user{name: in.Name, hash: in.Hash, tags: tagList(in.Tags), permissions: map[string]permission{}}
	if in.Password != "" {
		u.hash = hashPassword(in.Password)
	}
	if old := a.b.users.get(in.Name); old != nil {
		old.mu.RLock()
		u.permissions = old.permissions
		old.mu.RUnlock()
	}
	a.b.users.put(u)
	a.b.saveUser(u)
	return nil
}

func (b *Broker) saveUser(u *user) {
	d := u.definition()
	u.mu.RLock()
	d.Permissions = u.permissions
	u.mu.RUnlock()
	b.save(userKey(u.name), d)
}

func (b restorer) restoreUser(name string, value json.RawMessage) error {
	var d userBody
	if err := json.Unmarshal(value, &d); err != nil {
		return err
	}
	u := &user{name: name, hash: d.Hash, tags: tagList(d.Tags), permissions: map[string]permission{}}
	for vhost, p := range d.Permissions {
		if err := u.permit(vhost, p); err != nil {
			return err
		}
	}
	b.users.put(u)
	return nil
}

func (a userAPI) deleteUser(r *http.Request) (any, error) {
	u, err := a.userOf(r)
	if err != nil {
		return nil, err
	}
	a.b.users.remove(u.name)
	a.b.unsave(userKey(u.name))
	return noContent, nil
}

// permissionsOf lists a user's permissions.
func (a *api) permissionsOf(u *user) []permissionBody {
	u.mu.RLock()
	defer u.mu.RUnlock()
	list := []permissionBody{}
	for _, v := range a.b.allVhosts() {
		if p, ok := u.permissions[v.name]; ok {
			list = append(list, permissionBody{u.name, v.name, p})
		}
	}
	return list
}

func (a userAPI) allPermissions(keep func(permissionBody) bool) []permissionBody {
	list := []permissionBody{}
	for _, u := range a.b.users.all() {
		for _, p := range a.permissionsOf(u) {
			if keep(p) {
				list = append(list, p)
			}
		}
	}
	return list
}

func (a userAPI) listPermissions(*http.Request) (any, error) {
	return a.allPermissions(func(permissionBody) bool { return true }), nil
}

func (a userAPI) userPermissions(r *http.Request) (any, error) {
	return a.allPermissions(func(p permissionBody) bool { return p.User == part(r, "user") }), nil
}

func (a userAPI) vhostPermissions(r *http.Request) (any, error) {
	return a.allPermissions(func(p permissionBody) bool { return p.Vhost == part(r, "vhost") }), nil
}

func (a userAPI) getPermission(r *http.Request) (any, error) {
	list := a.allPermissions(func(p permissionBody) bool {
		return p.Vhost == part(r, "vhost") && p.User == part(r, "user")
	})
	if len(list) == 0 {
		return nil, notFound()
	}
	return list[0], nil
}

func (a userAPI) putPermission(r *http.Request) (any, error) {
	var in permissionBody
	if err := body(r, &in); err != nil {
		return nil, err
	}
	in.User, in.Vhost = part(r, "user"), part(r, "vhost")
	answer := any(created)
	if u := a.b.users.get(in.User); u != nil && u.mayOpen(in.Vhost) {
		answer = noContent
	}
	return answer, a.setPermission(in)
}

func (a userAPI) deletePermission(r *http.Request) (any, error) {
	u, err := a.userOf(r)
	if err != nil {
		return nil, err
	}
	u.forbid(part(r, "vhost"))
	a.b.saveUser(u)
	return noContent, nil
}

func (a *api) setPermission(p permissionBody) error {
	u := a.b.users.get(p.User)
	if u == nil || a.b.vhost(p.Vhost) == nil {
		return badRequest("there is no user '%s' or no vhost '%s'", p.User, p.Vhost)
	}
	if err := u.permit(p.Vhost, p.permission); err != nil {
		return badRequest("%s", err)
	}
	a.b.saveUser(u)
	return nil
}
