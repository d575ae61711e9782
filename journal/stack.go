package journal

import "strings"

// Continues tells whether line goes on with the stack trace, or other text of several lines, to which prev belongs. prev
// is the last line before it that is not blank, from the same stream. It knows what Go, the JVM, Python, Node, Rust, .NET,
// Ruby and PHP write.
func Continues(prev, line string) bool {
	prev = strings.TrimRight(StripANSI(prev), "\r\n")
	line = strings.TrimRight(StripANSI(line), "\r\n")
	if prev == "" {
		return false
	}
	text := strings.TrimLeft(line, " \t")
	switch {
	case text == "":
		return blankGoesOn(prev)
	case len(text) < len(line):
		return !hasHead(text)
	}
	return traceWords(text) || goTrace(prev, text) || pythonTrace(prev, text) || afterBlock(prev, text) || afterError(prev, text)
}

// hasHead tells whether a line, indented as it may be, is a log line of its own.
func hasHead(text string) bool {
	if text[0] == '{' {
		return strings.HasPrefix(text, `{"`) && strings.HasSuffix(text, "}")
	}
	t, n := parseTime(text)
	return n > 0 && !t.IsZero()
}

// blankGoesOn tells whether a trace may go on behind a blank line.
func blankGoesOn(prev string) bool {
	text := strings.TrimLeft(prev, " \t")
	return isPanic(text) || isGoPlace(prev) || isGoroutine(prev) || isChain(prev) || text == "^" || strings.HasPrefix(text, "^^") ||
		isException(prev) || prev == "}" || strings.HasPrefix(text, "at ")
}

// traceWords knows the lines that only traces have.
func traceWords(text string) bool {
	for _, prefix := range [...]string{"Caused by: ", "Suppressed: ", "Wrapped by: ", "goroutine ", "note: run with `RUST_BACKTRACE", "note: Some details are omitted",
		"stack backtrace:", "Stack trace:", "PHP Stack trace:", "--- End of ", "---> ", "[signal ", "Stacktrace:", "During handling of the above exception",
		"The above exception was the direct cause"} {
		if strings.HasPrefix(text, prefix) {
			return prefix != "goroutine " || isGoroutine(text)
		}
	}
	switch {
	case strings.HasPrefix(text, "at "):
		return strings.HasSuffix(text, ")") || isCaller(text[3:])
	case strings.HasPrefix(text, "... "):
		_, n := digits(text[4:], 6)
		return n > 0 && (strings.HasSuffix(text, " more") || strings.HasSuffix(text, " omitted"))
	case text[0] == '#':
		_, n := digits(text[1:], 4)
		return n > 0 && strings.HasPrefix(text[1+n:], " ")
	}
	return false
}

// goTrace knows panics and the stacks of goroutines: a head, and by turns a function and, indented, its place.
func goTrace(prev, text string) bool {
	switch {
	case isGoroutine(prev):
		return true
	case isGoPlace(prev):
		return strings.HasPrefix(text, "created by ") || strings.HasPrefix(text, "exit status ") || isGoroutine(text) ||
			strings.HasSuffix(text, ")") && strings.IndexByte(text, '(') > 0 && strings.IndexByte(text, ' ') < 0
	case isPanic(prev):
		return strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "runtime: ") || strings.HasPrefix(text, "runtime stack:")
	case prev == "runtime stack:":
		return true
	}
	return false
}

func isPanic(s string) bool {
	return strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: ") || strings.HasPrefix(s, "[signal ")
}

// isGoroutine knows "goroutine 1 [running]:".
func isGoroutine(s string) bool {
	return strings.HasPrefix(s, "goroutine ") && strings.HasSuffix(s, "]:")
}

// isGoPlace knows "\t/src/main.go:12 +0x1d".
func isGoPlace(s string) bool {
	return strings.HasPrefix(s, "\t") && strings.Contains(s, ".go:")
}

// isChain knows the sentences that stand between two tracebacks of Python.
func isChain(s string) bool {
	return strings.HasPrefix(s, "During handling of the above exception") || strings.HasPrefix(s, "The above exception was the direct cause")
}

// pythonTrace knows what stands at the margin in a traceback: its head behind an error or another traceback, and the
// exception behind the indented places.
func pythonTrace(prev, text string) bool {
	if strings.HasPrefix(text, "Traceback (most recent call last)") {
		return isChain(prev) || LevelOf(prev) >= LevelWarn
	}
	if strings.HasPrefix(prev, "Traceback (most recent call last)") {
		return true
	}
	if !strings.HasPrefix(prev, "    ") && !strings.HasPrefix(prev, `  File "`) {
		return false
	}
	inner := strings.TrimLeft(prev, " ")
	if strings.HasPrefix(inner, "at ") { // Node and .NET
		return false
	}
	name, _, _ := strings.Cut(text, ": ")
	return isException(text) || isName(name) && strings.IndexByte(name, '.') > 0 && !strings.HasSuffix(name, ":") || name == "SystemExit"
}

// afterBlock knows what Node, PHP and Rust write at the margin behind something indented, or behind the head of a panic.
func afterBlock(prev, text string) bool {
	switch {
	case text == "}" || text == "]" || text == ")":
		return isSpace(prev[0])
	case strings.HasPrefix(text, "Node.js v"):
		return isSpace(prev[0]) || prev == "}"
	case strings.HasPrefix(prev, "thread '"):
		return strings.Contains(prev, "panicked at") && strings.HasSuffix(prev, ":")
	case strings.HasPrefix(text, "thrown in "):
		return strings.HasPrefix(prev, "#")
	}
	return isSpace(prev[0]) && strings.Trim(prev, " \t^~") == "" && isException(text)
}

// afterError knows the exception that a logger of the JVM writes on the line behind its message.
func afterError(prev, text string) bool {
	return isException(text) && strings.IndexByte(strings.SplitN(text, ":", 2)[0], '.') > 0 && !isSpace(prev[0]) && !isException(prev) &&
		LevelOf(prev) >= LevelWarn
}
