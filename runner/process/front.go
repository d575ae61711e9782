package process

import (
	"net"
	"strconv"

	"msdev/runner/front"
)

// fronts are the addresses of an instance at which its process does not listen itself. They stay while its process is restarted,
// and switches pass on to the instance that takes its place.
type fronts struct {
	plain    []*front.Front
	switches map[int]*front.Switch // by port of the file
}

// open opens the fronts of an instance. A port that the process itself listens on needs none.
func (r *Runtime) open(in *instance) (fronts, error) {
	all := fronts{switches: map[int]*front.Switch{}}
	for _, e := range in.ports {
		if e.protocol != "tcp" {
			continue
		}
		var at []published
		if e.inner > 0 {
			at = append(at, published{loopback, e.actual})
		}
		for _, pub := range e.publish {
			if pub.port != e.actual {
				at = append(at, pub)
			}
		}
		if err := all.listen(&e, at); err != nil {
			all.close()
			return fronts{}, r.taken(in.state.Service, at[0].port) // the service's name never changes
		}
	}
	return all, nil
}

// listen makes an endpoint answer at addresses where its process does not listen.
func (all *fronts) listen(e *endpoint, at []published) error {
	if len(at) == 0 {
		return nil
	}
	to := net.JoinHostPort(loopback, strconv.Itoa(e.listens()))
	var f *front.Front
	if e.inner > 0 {
		s := front.NewSwitch()
		s.To(to)
		all.switches[e.target], f = s, s.Front
	} else {
		f = front.New(front.To(to))
		all.plain = append(all.plain, f)
	}
	for _, pub := range at {
		if _, err := f.Listen(net.JoinHostPort(pub.ip, strconv.Itoa(pub.port))); err != nil {
			at[0] = pub // the one that is to be told
			return err
		}
	}
	return nil
}

func (all fronts) close() {
	for _, f := range all.plain {
		_ = f.Close()
	}
	for _, s := range all.switches {
		_ = s.Close()
	}
}
