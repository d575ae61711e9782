package brokers

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// DiffLine is one line of a difference: '-' is only in the first, '+' only in the second, ' ' in both.
type DiffLine struct {
	Op   byte
	Text string
}

// Diff compares two messages on their way, or one before and after an edit: targets, properties and headers, then the bodies,
// JSON laid out so that one changed value is one changed line. same tells whether they are equal byte for byte, which the
// lines of JSON that differs in spaces alone do not show.
func Diff(a, b *Outgoing) (lines []DiffLine, same bool) {
	left, right := diffText(a), diffText(b)
	x, errX := EditText(a)
	y, errY := EditText(b)
	return diffLines(left, right), errX == nil && errY == nil && x == y
}

// DiffMessages compares two messages where they were found.
func DiffMessages(a, b *Message) (lines []DiffLine, same bool) {
	return Diff(found(a), found(b))
}

func found(m *Message) *Outgoing {
	o := &Outgoing{Message: m, To: Target{Exchange: m.Exchange, RoutingKey: m.RoutingKey, Topic: m.Topic}}
	if m.Kind == Kafka {
		o.To.Partition = &m.Partition
	}
	return o
}

// diffText is a message's edit form with its body laid out for reading.
func diffText(o *Outgoing) []string {
	head := *o
	m := *o.Message
	m.Body = nil
	head.Message = &m
	text, err := EditText(&head)
	if err != nil {
		text = err.Error() + "\n"
	}
	lines := strings.Split(strings.TrimSuffix(text, "body: null\n"), "\n")
	lines = lines[:len(lines)-1]
	body := o.Message.Body
	switch {
	case body == nil:
		return append(lines, "body: null")
	case json.Valid(body) && len(body) < 1<<20:
		var out bytes.Buffer
		if json.Indent(&out, body, "", "  ") == nil && out.Len() < 8<<20 {
			body = out.Bytes()
		}
	case !isText(body):
		return append(lines, strings.Split(strings.TrimSuffix(hex.Dump(body[:min(len(body), 64<<10)]), "\n"), "\n")...)
	}
	return append(append(lines, bodyMark), strings.Split(string(body), "\n")...)
}

// mostCells bounds the table in which the longest common lines are found; beyond it all differs that is not at the start or
// end of both.
const mostCells = 4 << 20

func diffLines(a, b []string) []DiffLine {
	var out []DiffLine
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		out = append(out, DiffLine{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	end := 0
	for end < len(a) && end < len(b) && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	tail := a[len(a)-end:]
	a, b = a[:len(a)-end], b[:len(b)-end]
	out = append(out, middle(a, b)...)
	for _, text := range tail {
		out = append(out, DiffLine{' ', text})
	}
	return out
}

func middle(a, b []string) (out []DiffLine) {
	rest := common(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, DiffLine{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && rest(i+1, j) >= rest(i, j+1):
			out = append(out, DiffLine{'-', a[i]})
			i++
		default:
			out = append(out, DiffLine{'+', b[j]})
			j++
		}
	}
	return out
}

// common tells how many lines a[i:] and b[j:] have in common, in their order.
func common(a, b []string) func(i, j int) int32 {
	wide := len(b) + 1
	if (len(a)+1)*wide > mostCells {
		return func(i, j int) int32 { return 0 }
	}
	table := make([]int32, (len(a)+1)*wide)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i*wide+j] = table[(i+1)*wide+j+1] + 1
			} else {
				table[i*wide+j] = max(table[(i+1)*wide+j], table[i*wide+j+1])
			}
		}
	}
	return func(i, j int) int32 { return table[i*wide+j] }
}
