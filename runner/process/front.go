package process

import (
	"net"
	"strconv"

	"msdev/runner/front"
)

// fronts are the published ports of an instance: they stay while its process is restarted.
type fronts []*front.Front

// open opens the fronts of an instance. A port that the process itself listens on needs none.
func (r *Runtime) open(in *instance) (fronts, error) {
	var all fronts
	for _, e := range in.ports {
		for _, pub := range e.publish {
			if e.protocol != "tcp" || pub.port == e.actual {
				continue
			}
			f := front.New(front.To(net.JoinHostPort(loopback, strconv.Itoa(e.actual))))
			if _, err := f.Listen(net.JoinHostPort(pub.ip, strconv.Itoa(pub.port))); err != nil {
				all.close()
				return nil, r.taken(in.state.Service, pub.port) // the service's name never changes
			}
			all = append(all, f)
		}
	}
	return all, nil
}

func (all fronts) close() {
	for _, f := range all {
		_ = f.Close()
	}
}
