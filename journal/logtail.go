package journal

import "strings"

// tail moves what stands behind the message to the fields: key=value pairs, or a JSON object.
func (p *lineParser) tail() {
	s := p.Message
	if len(s) > longestTail {
		return
	}
	if strings.HasSuffix(s, "}") {
		if at := strings.Index(s, `{"`); at >= 0 && (at == 0 || isSpace(s[at-1])) {
			p.object(at)
		}
		return
	}
	for at := 0; at < len(s); {
		if isSpace(s[at]) {
			at++
			continue
		}
		if _, n := readPair(s[at:]); n > 0 {
			before := *p
			p.Message = strings.TrimSpace(s[:at])
			if p.spoke = p.Message != ""; p.pairs(s[at:]) {
				return
			}
			*p = before
			at += n
			continue
		}
		at += wordEnd(s[at:])
	}
}

// pairs takes s apart, if it is nothing but key=value pairs.
func (p *lineParser) pairs(s string) bool {
	for rest := strings.TrimLeft(s, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		_, n := readPair(rest)
		if n == 0 {
			return false
		}
		rest = rest[n:]
	}
	for rest := strings.TrimLeft(s, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		pair, n := readPair(rest)
		p.pair(pair.Key, pair.Value)
		rest = rest[n:]
	}
	return true
}

// object takes the JSON object apart that the message ends with, and leaves it alone where it is broken.
func (p *lineParser) object(at int) {
	r := jsonReader{lineParser: *p, s: p.Message, at: at}
	r.levelOnly = false // which would stop before it is known whether the object is whole
	r.Message = strings.TrimSpace(r.s[:at])
	r.spoke = r.Message != ""
	if r.object("", 0) && r.at == len(r.s) {
		r.finish()
		r.levelOnly = p.levelOnly
		*p = r.lineParser
	}
}
