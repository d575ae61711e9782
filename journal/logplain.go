package journal

import "strings"

// plain takes a line apart that is neither JSON nor logfmt: time, what names the writer, level, message, further pairs.
func (p *lineParser) plain(s string) {
	p.Message = s
	if p.fault(s) || p.klog(s) || p.redis(s) {
		return
	}
	h := headReader{lineParser: *p, s: s, end: min(len(s), longestHead)}
	h.priority()
	h.findTime()
	timed := h
	switch {
	case h.findLevel():
		if !p.levelOnly {
			h.writer()
		}
	case h.timed:
		h = timed // what looked like a thread or a logger is the message
		h.skip(" ]\t:-|")
	default:
		return
	}
	*p = h.lineParser
	if !p.levelOnly || p.Level == LevelNone {
		p.Message = strings.TrimSpace(s[h.at:])
		p.tail()
	}
}

// fault knows how runtimes begin to report that a program failed.
func (p *lineParser) fault(s string) bool {
	switch {
	case strings.HasPrefix(s, "panic: "), strings.HasPrefix(s, "fatal error: "), strings.HasPrefix(s, "Unhandled exception"),
		strings.HasPrefix(s, "thread '") && strings.Contains(s[:min(len(s), 200)], "panicked at"):
		p.Level = LevelFatal
	case strings.HasPrefix(s, "Traceback (most recent call last)"), strings.HasPrefix(s, "Exception in thread "), isException(s):
		p.Level = LevelError
	}
	return p.Level != LevelNone
}

// isException tells whether s begins with the name of an exception: "java.lang.RuntimeException: boom", "TypeError: …".
func isException(s string) bool {
	n := 0
	for n < len(s) && n < 200 && (isWord(s[n]) || s[n] == '.' || s[n] == '$') {
		n++
	}
	name := s[:n]
	if n < len(s) && s[n] != ':' || n == 0 || isDigit(s[0]) {
		return false
	}
	return strings.HasSuffix(name, "Error") || strings.HasSuffix(name, "Exception") || name == "KeyboardInterrupt"
}

// klog reads what klog and glog write: "I0102 15:04:05.000000    1 file.go:12] message".
func (p *lineParser) klog(s string) bool {
	if len(s) < 22 || levelLetter(s[0]) == LevelNone || !isUpper(s[0]) || s[5] != ' ' {
		return false
	}
	_, day := digits(s[1:], 4)
	_, _, _, _, clock := parseClock(s[6:])
	if day != 4 || clock == 0 {
		return false
	}
	p.Level = levelLetter(s[0])
	bracket := strings.Index(s[:min(len(s), longestHead)], "] ")
	if p.levelOnly || bracket < 0 {
		return true
	}
	pid, caller, _ := strings.Cut(strings.TrimSpace(s[6+clock:bracket]), " ")
	p.Caller = strings.TrimSpace(caller)
	p.Fields = append(p.Fields, Field{"pid", pid})
	p.Message = s[bracket+2:]
	if strings.HasPrefix(p.Message, `"`) { // klog's structured form: "message" key="value"
		p.spoke = true
		if raw, n, escaped, closed := quoted(p.Message); closed && p.pairs(p.Message[n:]) {
			p.Message = raw
			if escaped {
				p.Message = unescape(raw)
			}
		}
	}
	return true
}

// redis reads "1:M 02 Jan 2006 15:04:05.000 * message".
func (p *lineParser) redis(s string) bool {
	colon := strings.IndexByte(s[:min(len(s), 9)], ':')
	if colon < 1 || len(s) < colon+4 || !isUpper(s[colon+1]) || s[colon+2] != ' ' {
		return false
	}
	t, n := parseTime(s[colon+3:])
	rest := s[past(colon+3, n):]
	if n == 0 || len(rest) < 3 || rest[0] != ' ' || rest[2] != ' ' {
		return false
	}
	switch rest[1] {
	case '.':
		p.Level = LevelDebug
	case '-', '*':
		p.Level = LevelInfo
	case '#':
		p.Level = LevelWarn
	default:
		return false
	}
	if !p.levelOnly {
		p.Time, p.Message = t, rest[3:]
		p.Fields = append(p.Fields, Field{"pid", s[:colon]}, Field{"role", s[colon+1 : colon+2]})
	}
	return true
}

// A headReader reads what stands before a plain line's message. It works on a copy of the line, as its guesses may prove wrong.
type headReader struct {
	lineParser
	s     string
	at    int
	end   int // no head goes beyond
	timed bool
	named bool // a name stood before the level
	first bool // the level was the line's first word
}

func (h *headReader) skip(set string) {
	for h.at < len(h.s) && strings.IndexByte(set, h.s[h.at]) >= 0 {
		h.at++
	}
}

func (h *headReader) has(prefix string) bool { return strings.HasPrefix(h.s[h.at:], prefix) }

// priority reads syslog's "<34>" or "<34>1 ".
func (h *headReader) priority() {
	if h.s[0] != '<' {
		return
	}
	n, used := digits(h.s[1:], 3)
	if used == 0 || used+1 >= len(h.s) || h.s[used+1] != '>' {
		return
	}
	h.Level = levelSyslog(n)
	h.at = used + 2
	if h.has("1 ") {
		h.at += 2
	}
}

// findTime reads the time, which may stand in brackets with more behind it.
func (h *headReader) findTime() {
	start := h.at
	if len(h.s) > start+4 && isUpper(h.s[start]) && h.s[start+1:start+4] == ", [" { // Ruby: "I, [2006-… #1]  INFO -- : "
		h.at += 3
	}
	if h.has("[") {
		h.at++
	}
	t, n := parseTime(h.s[h.at:h.end])
	if n == 0 || h.at+n < len(h.s) && isWord(h.s[h.at+n]) {
		h.at = start
		return
	}
	h.timed = true
	h.Time = t
	h.at += n
}

// findLevel looks for the level among the words that may stand before it, and goes behind it. It answers false, where there
// is none.
func (h *headReader) findLevel() bool {
	if h.Level != LevelNone {
		return true
	}
	for words := 0; words < 5; words++ {
		h.skip(" \t|:-]")
		if h.at >= h.end {
			return false
		}
		if level, n := h.levelAt(); level != LevelNone {
			h.Level, h.first = level, h.at == 0
			h.at += n
			return true
		}
		if !h.passWord() {
			return false
		}
	}
	return false
}

// levelAt reads the level at h.at, with an opening bracket before it, and returns their length.
func (h *headReader) levelAt() (Level, int) {
	s := h.s[h.at:h.end]
	open := strings.IndexByte("[(<", s[0]) >= 0
	from := 0
	if open {
		from = 1
	}
	to := from
	for to < len(s) && isLetter(s[to]) {
		to++
	}
	word := s[from:to]
	if len(word) < 3 || len(word) > 13 {
		return LevelNone, 0
	}
	if to+1 < len(s) && (s[to] == '+' || s[to] == '-') && isDigit(s[to+1]) {
		to += 2 // slog
	} else if to < len(s) && s[to] >= '1' && s[to] <= '5' {
		to++ // PostgreSQL
	}
	if to < len(s) && (isWord(s[to]) || strings.IndexByte(".=", s[to]) >= 0) {
		return LevelNone, 0
	}
	level, ok := ParseLevel(word)
	if !ok || !h.meant(word, s[to:], open) {
		return LevelNone, 0
	}
	return level, to
}

// meant tells whether a word that may be a level is one, and no part of the message: in capitals, in brackets, before a
// colon, or in small letters behind the time.
func (h *headReader) meant(word, rest string, open bool) bool {
	upper := isUpper(word[0]) && isUpper(word[1])
	switch {
	case open:
		return upper || rest != "" && strings.IndexByte("])>/:", rest[0]) >= 0
	case upper:
		return true
	}
	switch strings.ToLower(word) {
	case "log", "note", "config", "fine", "finer", "finest", "system", "silly", "notice", "alert":
		return false
	}
	switch {
	case h.named:
		return strings.HasPrefix(rest, " - ") || strings.HasPrefix(rest, " | ")
	case strings.HasPrefix(rest, ":"):
		return true
	}
	return h.timed && (rest == "" || isSpace(rest[0])) && !isUpper(word[0])
}

// passWord goes behind a word that may stand before the level: something in brackets, a number, or a name. It keeps what
// it passes as a field, and answers false at a word that must belong to the message.
func (h *headReader) passWord() bool {
	s := h.s[h.at:h.end]
	switch c := s[0]; {
	case c == '[' || c == '(':
		group, n := bracketed(s)
		if n > 0 {
			h.note("thread", group)
		}
		h.at += n
		return n > 0
	case h.timed || c == '#' || strings.HasPrefix(s, "npm "):
		n := wordEnd(s)
		word := strings.Trim(s[:n], "#,:]|")
		if !isName(word) {
			return false
		}
		h.note("logger", word)
		h.named = h.named || !isDigit(word[0])
		h.at += n
		return true
	}
	return false
}

// isName tells whether s looks like a logger, a thread, a host or a number.
func isName(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) && strings.IndexByte(".-:/#$@*", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// bracketed reads the group in brackets that s begins with.
func bracketed(s string) (group string, n int) {
	closing := byte(']')
	if s[0] == '(' {
		closing = ')'
	}
	end := strings.IndexByte(s[:min(len(s), 128)], closing)
	if end < 1 {
		return "", 0
	}
	return s[1:end], end + 1
}

// note keeps part of a head as a field, or as the trace where it holds one.
func (h *headReader) note(key, value string) {
	if h.levelOnly || value == "" || h.trace(value) {
		return
	}
	if _, used := digits(value, len(value)); used == len(value) {
		key = "pid"
	}
	h.Fields = append(h.Fields, Field{key, value})
}

// trace takes the ids from a group such as "app,traceid,spanid", and answers false where there are none.
func (h *headReader) trace(group string) bool {
	if len(group) < 32 {
		return false
	}
	parts := strings.FieldsFunc(group, func(r rune) bool { return r == ',' || r == '-' || r == ' ' })
	for i, part := range parts {
		if len(part) != 32 || hexID(part) == "" {
			continue
		}
		h.Trace = hexID(part)
		if i+1 < len(parts) {
			h.Span = spanID("", parts[i+1])
		}
		return true
	}
	return false
}

// writer reads what may stand between the level and the message: brackets that close, a process, a thread, a logger, a
// place in the source.
func (h *headReader) writer() {
	if h.has("[") { // logrus writes the seconds since the start right behind the level: "INFO[0012] message"
		if group, n := bracketed(h.s[h.at:]); n > 0 {
			h.Fields = append(h.Fields, Field{"after", group})
			h.at += n
		}
	}
	if h.has("/") { // Celery: "[… WARNING/ForkPoolWorker-1] "
		n := strings.IndexByte(h.s[h.at:h.end], ']')
		if n > 0 {
			h.note("thread", h.s[h.at+1:h.at+n])
			h.at += n
		}
	}
	if h.has("\t") {
		h.tabs()
		return
	}
	if h.first && h.has(":") && len(h.s) > h.at+1 && isLetter(h.s[h.at+1]) { // Python: "WARNING:root:message"
		if n := strings.IndexByte(h.s[h.at+1:h.end], ':'); n > 0 && isName(h.s[h.at+1:h.at+1+n]) {
			h.note("logger", h.s[h.at+1:h.at+1+n])
			h.at += n + 2
			return
		}
	}
	h.skip(" ])>:!|-")
	if h.has("[") { // Spring Cloud Sleuth's "[app,traceid,spanid]"
		if group, n := bracketed(h.s[h.at:]); h.trace(group) {
			h.at += n
			h.skip(" ")
		}
	}
	h.spring()
	h.origin()
}

// spring reads Spring Boot's "1 --- [main] " and NGINX's "29#29: ".
func (h *headReader) spring() {
	_, n := digits(h.s[h.at:], 8)
	if n == 0 {
		return
	}
	pid, rest := h.s[h.at:h.at+n], h.s[h.at+n:]
	if thread, ok := strings.CutPrefix(rest, "#"); ok {
		if _, used := digits(thread, 8); used > 0 && strings.HasPrefix(thread[used:], ": ") {
			h.note("pid", pid)
			h.at += n + used + 3
		}
		return
	}
	if !strings.HasPrefix(rest, " --- ") {
		return
	}
	h.note("pid", pid)
	h.at += n + len(" --- ")
	for h.has("[") {
		group, n := bracketed(h.s[h.at:h.end])
		if n == 0 {
			return
		}
		h.note("thread", strings.TrimSpace(group))
		h.at += n
		h.skip(" ")
	}
}

// origin reads the logger or the place in the source that the message begins with.
func (h *headReader) origin() {
	s := h.s[h.at:h.end]
	n := wordEnd(s)
	word, rest := s[:n], s[n:]
	bare := strings.TrimRight(word, ":]")
	switch {
	case isCaller(bare) && (len(bare) < n || strings.HasPrefix(rest, " > ")):
		if h.Caller == "" {
			h.Caller = bare
		}
		h.at += n
		h.skip(" >")
	case isName(word) && isLetter(word[0]) && (strings.HasPrefix(rest, " - ") || strings.HasPrefix(rest, " -- ") || strings.HasPrefix(strings.TrimLeft(rest, " "), ": ")),
		strings.HasSuffix(word, "]") && isName(bare),
		strings.HasSuffix(word, ":") && strings.Contains(bare, "::"):
		h.note("logger", bare)
		h.at += n
		h.skip(" -:")
	}
}

// tabs reads what zap's console writes: level, logger, place and message, each behind a tab.
func (h *headReader) tabs() {
	for {
		h.at++
		n := strings.IndexByte(h.s[h.at:], '\t')
		if n < 0 {
			return
		}
		cell := h.s[h.at : h.at+n]
		switch {
		case isCaller(cell):
			h.Caller = cell
			h.at += n + 1
			return
		case !isName(cell):
			return
		}
		h.note("logger", cell)
		h.at += n
	}
}
