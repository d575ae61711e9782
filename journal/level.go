package journal

import "fmt"

// Level is how grave a log line is. A greater one is graver; LevelNone stands for a line that does not say.
type Level uint8

// The levels.
const (
	LevelNone Level = iota
	LevelTrace
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelFatal
)

var levelNames = [...]string{"none", "trace", "debug", "info", "warn", "error", "fatal"}

// String returns the level's name in lower case.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads "none" and every spelling that ParseLevel knows.
func (l *Level) UnmarshalText(text []byte) error {
	level, ok := ParseLevel(string(text))
	if !ok && string(text) != levelNames[LevelNone] {
		return fmt.Errorf("%q is not a level: use trace, debug, info, warn, error or fatal", text)
	}
	*l = level
	return nil
}

// ParseLevel reads a level as logging libraries spell it, in any case: slog (also "INFO+2"), zap, zerolog, logrus,
// log4j, java.util.logging, Python, .NET, Serilog, syslog, PostgreSQL and others.
func ParseLevel(s string) (Level, bool) {
	var lower [13]byte
	n := 0
	for ; n < len(s) && isLetter(s[n]); n++ {
		if n == len(lower) {
			return LevelNone, false
		}
		lower[n] = s[n] | 0x20
	}
	if !levelSuffix(s[n:]) {
		return LevelNone, false
	}
	level := levelWord(lower[:n])
	return level, level != LevelNone
}

// levelWord returns the level that a lower-case word stands for.
func levelWord(word []byte) Level {
	switch string(word) {
	case "trace", "trc", "trce", "finest", "finer", "verbose", "vrb", "silly":
		return LevelTrace
	case "debug", "dbg", "dbug", "deb", "fine", "config":
		return LevelDebug
	case "info", "inf", "information", "informational", "notice", "note", "log", "system":
		return LevelInfo
	case "warn", "warning", "wrn", "wrng":
		return LevelWarn
	case "error", "err", "eror", "fail", "severe":
		return LevelError
	case "fatal", "ftl", "crit", "critical", "crt", "panic", "dpanic", "pnc", "alert", "emerg", "emergency":
		return LevelFatal
	}
	return LevelNone
}

// levelSuffix tells whether s is what may follow a level's word: nothing, slog's "+2" or "-4", PostgreSQL's "1" to "5".
func levelSuffix(s string) bool {
	if s == "" {
		return true
	}
	if s[0] == '+' || s[0] == '-' {
		return len(s) == 2 && isDigit(s[1])
	}
	return len(s) == 1 && s[0] >= '1' && s[0] <= '5'
}

// levelLetter reads the one letter that klog, glog, MongoDB and others write.
func levelLetter(c byte) Level {
	switch c {
	case 'T', 't', 'V', 'v':
		return LevelTrace
	case 'D', 'd':
		return LevelDebug
	case 'I', 'i', 'N', 'n':
		return LevelInfo
	case 'W', 'w':
		return LevelWarn
	case 'E', 'e':
		return LevelError
	case 'F', 'f', 'C', 'c', 'A', 'a':
		return LevelFatal
	}
	return LevelNone
}

// levelNumber reads the numbers that pino and bunyan write: 10 is trace, 20 debug, up to 60 for fatal.
func levelNumber(s string) Level {
	n, used := digits(s, 2)
	if used != 2 || used != len(s) || n < 10 || n >= 70 {
		return LevelNone
	}
	return Level(n / 10)
}

// levelSyslog returns the level of a syslog severity or priority (RFC 5424, 6.2.1).
func levelSyslog(priority int) Level {
	return [...]Level{LevelFatal, LevelFatal, LevelFatal, LevelError, LevelWarn, LevelInfo, LevelInfo, LevelDebug}[priority&7]
}

func isDigit(c byte) bool  { return c-'0' < 10 }
func isLetter(c byte) bool { return c|0x20-'a' < 26 }
func isUpper(c byte) bool  { return c-'A' < 26 }
func isSpace(c byte) bool  { return c == ' ' || c == '\t' }

// isWord tells whether c may stand in an identifier.
func isWord(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }

// digits reads at most n digits from the beginning of s, and says how many there were.
func digits(s string, n int) (value, used int) {
	for used < n && used < len(s) && isDigit(s[used]) {
		value = value*10 + int(s[used]-'0')
		used++
	}
	return value, used
}
