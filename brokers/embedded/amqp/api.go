package amqp

import (
	"encoding/json"
	"net/http"
)

func newAPI(b *Broker) http.Handler { return http.NotFoundHandler() }

func (b *Broker) restoreUser(string, json.RawMessage) error { return nil }
func (b *Broker) allVhosts() []*vhost {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var l []*vhost
	for _, v := range b.vhosts {
		l = append(l, v)
	}
	return l
}
func (v *vhost) allQueues() []*queue {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var l []*queue
	for _, q := range v.queues {
		l = append(l, q)
	}
	return l
}
