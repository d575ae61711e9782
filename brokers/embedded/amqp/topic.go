package amqp

import (
	"strings"

	"msdev/brokers/wire"
)

// topicMatcher is a trie over the words of the binding keys. In a binding key, * stands for one word and # for any
// number of words, none included.
type topicMatcher struct {
	words    map[string]*topicMatcher
	bindings []*binding
}

// topicWords splits a key at its dots. The empty key has no words.
func topicWords(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

func (t *topicMatcher) add(b *binding) {
	at := t
	for _, word := range topicWords(b.key) {
		if at.words == nil {
			at.words = map[string]*topicMatcher{}
		}
		next := at.words[word]
		if next == nil {
			next = &topicMatcher{}
			at.words[word] = next
		}
		at = next
	}
	at.bindings = append(at.bindings, b)
}

func (t *topicMatcher) remove(b *binding) { t.prune(b, topicWords(b.key)) }

// prune removes the binding below t and tells whether t is empty then.
func (t *topicMatcher) prune(b *binding, words []string) bool {
	if len(words) == 0 {
		t.bindings = without(t.bindings, b)
	} else if next := t.words[words[0]]; next != nil && next.prune(b, words[1:]) {
		delete(t.words, words[0])
	}
	return len(t.bindings) == 0 && len(t.words) == 0
}

func (t *topicMatcher) match(key string, _ func() wire.Table, found func(*binding)) {
	w := topicWalk{words: topicWords(key), found: found}
	if len(w.words) > 8 {
		// With several # a node is reached on many ways: remember them, so that no key costs more than the trie's
		// size times its words.
		w.seen = map[topicVisit]bool{}
	}
	w.walk(t, 0)
}

type topicVisit struct {
	node *topicMatcher
	at   int
}

type topicWalk struct {
	words []string
	found func(*binding)
	seen  map[topicVisit]bool
}

func (w *topicWalk) walk(t *topicMatcher, at int) {
	if w.seen != nil {
		if w.seen[topicVisit{t, at}] {
			return
		}
		w.seen[topicVisit{t, at}] = true
	}
	if at == len(w.words) {
		for _, b := range t.bindings {
			w.found(b)
		}
	} else {
		if next := t.words[w.words[at]]; next != nil && w.words[at] != "*" && w.words[at] != "#" {
			w.walk(next, at+1)
		}
		if next := t.words["*"]; next != nil {
			w.walk(next, at+1)
		}
	}
	if next := t.words["#"]; next != nil {
		for i := at; i <= len(w.words); i++ {
			w.walk(next, i)
		}
	}
}
