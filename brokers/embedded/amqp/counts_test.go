package amqp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	client "github.com/rabbitmq/amqp091-go"

	"msdev/brokers/embedded/amqp"
)

// An exchange counts what came to it, and what it brought to queues.
func TestExchangeCounts(t *testing.T) {
	b, url := start(t, amqp.Options{})
	ch := channel(t, url)
	for _, name := range []string{"one", "two"} {
		_, err := ch.QueueDeclare(name, false, false, true, false, nil)
		must(t, err)
		must(t, ch.QueueBind(name, "", "amq.fanout", false, nil))
	}
	must(t, ch.Confirm(false))
	for range 3 {
		c, err := ch.PublishWithDeferredConfirm("amq.fanout", "", false, false, client.Publishing{Body: []byte("x")})
		must(t, err)
		if ok, err := c.WaitContext(t.Context()); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	req := httptest.NewRequest(http.MethodGet, "/api/exchanges/%2F/amq.fanout", nil)
	req.SetBasicAuth("guest", "guest")
	answer := httptest.NewRecorder()
	b.Management().ServeHTTP(answer, req)
	var got struct {
		Stats struct {
			In  int `json:"publish_in"`
			Out int `json:"publish_out"`
		} `json:"message_stats"`
	}
	must(t, json.Unmarshal(answer.Body.Bytes(), &got))
	if got.Stats.In != 3 || got.Stats.Out != 6 {
		t.Errorf("%+v\n%s", got, answer.Body)
	}
}
