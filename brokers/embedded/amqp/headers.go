package amqp

import (
	"sort"
	"strings"

	"msdev/brokers/wire"
)

// headersMatcher compares a message's headers with each binding's arguments.
type headersMatcher map[*binding]headersTest

// headersTest is a binding's arguments, understood: x-match is all (the default) or any, -with-x counts headers that
// start with x- too.
type headersTest struct {
	any  bool
	args wire.Table
}

func (m headersMatcher) add(b *binding) {
	mode, _ := b.args.Get("x-match")
	s, _ := mode.(string)
	t := headersTest{any: strings.HasPrefix(s, "any")}
	for _, f := range b.args {
		if f.Key != "x-match" && (strings.HasSuffix(s, "-with-x") || !strings.HasPrefix(f.Key, "x-")) {
			t.args = append(t.args, f)
		}
	}
	m[b] = t
}

func (m headersMatcher) remove(b *binding) { delete(m, b) }

func (m headersMatcher) match(_ string, headers func() wire.Table, found func(*binding)) {
	h := headers()
	for b, t := range m {
		if t.matches(h) {
			found(b)
		}
	}
}

func (t headersTest) matches(h wire.Table) bool {
	for _, want := range t.args {
		got, ok := h.Get(want.Key)
		// An argument without a value asks only for the header's presence.
		same := ok && (want.Value == nil || sameValue(got, want.Value))
		if same && t.any {
			return true
		}
		if !same && !t.any {
			return false
		}
	}
	return !t.any
}

// checkMatch validates x-match of a binding to a headers exchange.
func checkMatch(args wire.Table) *Error {
	v, ok := args.Get("x-match")
	if !ok {
		return nil
	}
	switch s, isString := v.(string); {
	case !isString:
		return preconditionFailed("Invalid x-match field type %s (value %v); expected longstr", typeName(v), v)
	case s != "all" && s != "any" && s != "all-with-x" && s != "any-with-x":
		return preconditionFailed("Invalid x-match field value <<\"%s\">>; expected all, any, all-with-x, or any-with-x", s)
	}
	return nil
}

// canonical encodes arguments so that equal ones give equal strings whatever their order.
func canonical(args wire.Table) string {
	if len(args) == 0 {
		return ""
	}
	sorted := append(wire.Table(nil), args...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Key < sorted[j].Key })
	return string(wire.AppendTable(nil, sorted))
}
