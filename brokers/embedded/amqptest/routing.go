package amqptest

import (
	"fmt"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

func routingChecks() []check {
	return []check{
		{"topic patterns", topicPatterns},
		{"topic binding twice is one copy", topicOneCopy},
		{"headers matching", headersMatching},
		{"headers binding with a wrong x-match", headersWrongMatch},
		{"headers ignore the routing key", headersIgnoreKey},
	}
}

// topicPatterns binds one queue per pattern and sends every key once. Words are separated by dots and may be empty;
// * is exactly one word and # any number of words. An empty key has no word at all.
func topicPatterns(k *kit) {
	keys := []string{
		"", "a", "b", ".", "..", "a.", ".a", "a.b", "a.c", "a.b.c", "a.x.c", "a..c", "a.b.b.c", "b.a.b",
		"A.b.c", "a.#.c", "a*", "ab.c", "x.a.y.b.z",
	}
	notEmpty := keys[1:]
	table := []struct {
		pattern string
		matches []string
	}{
		{"#", keys},
		{"#.#", keys},
		{"*", []string{"a", "b", "a*"}},
		{"*.#", notEmpty},
		{"#.*", notEmpty},
		{"*.#.*", without(notEmpty, "a", "b", "a*")},
		{"*.*", []string{".", "a.", ".a", "a.b", "a.c", "ab.c"}},
		{"*.*.*", []string{"..", "a.b.c", "a.x.c", "a..c", "b.a.b", "A.b.c", "a.#.c"}},
		{"a.b.c", []string{"a.b.c"}},
		{"a.*.c", []string{"a.b.c", "a.x.c", "a..c", "a.#.c"}},
		{"a.#.c", []string{"a.c", "a.b.c", "a.x.c", "a..c", "a.b.b.c", "a.#.c"}},
		{"a.#", []string{"a", "a.", "a.b", "a.c", "a.b.c", "a.x.c", "a..c", "a.b.b.c", "a.#.c"}},
		{"#.c", []string{"a.c", "a.b.c", "a.x.c", "a..c", "a.b.b.c", "A.b.c", "a.#.c", "ab.c"}},
		{"*.c", []string{"a.c", "ab.c"}},
		{"#.a.#", []string{"a", "a.", ".a", "a.b", "a.c", "a.b.c", "a.x.c", "a..c", "a.b.b.c", "b.a.b", "a.#.c", "x.a.y.b.z"}},
		{"#.b.#", []string{"b", "a.b", "a.b.c", "a.b.b.c", "b.a.b", "A.b.c", "x.a.y.b.z"}},
		{"#.a.#.b.#", []string{"a.b", "a.b.c", "a.b.b.c", "b.a.b", "x.a.y.b.z"}},
		{"", []string{""}},
		{".", []string{"."}},
		{"a.", []string{"a."}},
		{"*.", []string{".", "a."}},
		{"..", []string{".."}},
		{"a*", []string{"a*"}}, // a star within a word is a star
		{"a*.c", nil},
		{"a.#b", nil},
	}
	ch := k.channel()
	exchange := k.exchange(ch, "topic", nil)
	queues := make([]string, len(table))
	for i, row := range table {
		queues[i] = k.queue(ch, nil)
		k.bind(ch, queues[i], row.pattern, exchange, nil)
	}
	for _, key := range keys {
		k.send(ch, exchange, key, key)
	}
	for i, row := range table {
		if got := k.drain(ch, queues[i]); !sameSet(got, row.matches) {
			k.Errorf("pattern %q matched\n  got  %q\n  want %q", row.pattern, got, row.matches)
		}
	}
}

// without is list without the given values.
func without(list []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
}

func topicOneCopy(k *kit) {
	ch := k.channel()
	exchange, queue := k.exchange(ch, "topic", nil), k.queue(ch, nil)
	for _, pattern := range []string{"a.b", "a.*", "a.#", "#"} {
		k.bind(ch, queue, pattern, exchange, nil)
	}
	k.send(ch, exchange, "a.b", "once")
	k.equal("bodies", k.drain(ch, queue), []string{"once"})
	for _, pattern := range []string{"a.b", "a.*", "a.#"} {
		k.must(ch.QueueUnbind(queue, pattern, exchange, nil), "unbind")
	}
	k.send(ch, exchange, "a.b", "by the last one")
	k.must(ch.QueueUnbind(queue, "#", exchange, nil), "unbind the last one")
	k.send(ch, exchange, "a.b", "nowhere")
	k.equal("bodies", k.drain(ch, queue), []string{"by the last one"})
}

// headersMatching binds one queue per row of arguments, and sends every message once.
func headersMatching(k *kit) {
	messages := []amqp.Table{
		nil,
		{"a": int32(1)},
		{"a": int32(1), "b": "two"},
		{"a": int32(2), "b": "two"},
		{"a": "1"},
		{"a": int64(1)},
		{"b": "two", "x-c": "yes"},
		{"x-c": "yes"},
		{"a": nil},
		{"a": true},
	}
	table := []struct {
		args    amqp.Table
		matches []int // indexes into messages
	}{
		{amqp.Table{"x-match": "all"}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{nil, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}, // all is the default
		{amqp.Table{"x-match": "any"}, nil},
		{amqp.Table{"x-match": "all", "a": int32(1)}, []int{1, 2, 5}}, // the width of an integer is not compared
		{amqp.Table{"a": int32(1), "b": "two"}, []int{2}},
		{amqp.Table{"x-match": "any", "a": int32(1), "b": "two"}, []int{1, 2, 3, 5, 6}},
		{amqp.Table{"x-match": "all", "a": "1"}, []int{4}},
		{amqp.Table{"x-match": "all", "a": nil}, []int{1, 2, 3, 4, 5, 8, 9}}, // void asks for presence alone
		{amqp.Table{"x-match": "any", "a": nil, "b": "three"}, []int{1, 2, 3, 4, 5, 8, 9}},
		{amqp.Table{"x-match": "all", "b": "two", "x-c": "no"}, []int{2, 3, 6}}, // x- is ignored
		{amqp.Table{"x-match": "all-with-x", "b": "two", "x-c": "yes"}, []int{6}},
		{amqp.Table{"x-match": "any-with-x", "a": int32(2), "x-c": "yes"}, []int{3, 6, 7}},
		{amqp.Table{"x-match": "any", "x-c": "yes"}, nil},
		{amqp.Table{"x-match": "all", "a": true}, []int{9}},
	}
	ch := k.channel()
	exchange := k.exchange(ch, "headers", nil)
	queues := make([]string, len(table))
	for i, row := range table {
		queues[i] = k.queue(ch, nil)
		k.bind(ch, queues[i], "", exchange, row.args)
	}
	for i, headers := range messages {
		k.publish(ch, exchange, "", amqp.Publishing{Headers: headers, Body: fmt.Append(nil, i)})
	}
	for i, row := range table {
		got := strings.Join(k.drain(ch, queues[i]), " ")
		if want := strings.Trim(fmt.Sprint(row.matches), "[]"); got != want {
			k.Errorf("binding %v matched messages %q, want %q", row.args, got, want)
		}
	}
}

func headersWrongMatch(k *kit) {
	conn := k.dial()
	ch := k.open(conn)
	exchange, queue := k.exchange(ch, "headers", nil), k.queue(ch, nil)
	k.refused(k.openPlain(conn).QueueBind(queue, "", exchange, false, amqp.Table{"x-match": "some"}),
		amqp.PreconditionFailed, "PRECONDITION_FAILED - Invalid x-match field value")
	k.refused(k.openPlain(conn).QueueBind(queue, "", exchange, false, amqp.Table{"x-match": int32(1)}),
		amqp.PreconditionFailed, "PRECONDITION_FAILED - Invalid x-match field type")
}

func headersIgnoreKey(k *kit) {
	ch := k.channel()
	exchange, queue := k.exchange(ch, "headers", nil), k.queue(ch, nil)
	k.bind(ch, queue, "key", exchange, amqp.Table{"a": "1"})
	k.publish(ch, exchange, "other", amqp.Publishing{Headers: amqp.Table{"a": "1"}, Body: []byte("x")})
	k.equal("bodies", k.drain(ch, queue), []string{"x"})
}
