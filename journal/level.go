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

// UnmarshalText reads any spelling that ParseLevel knows.
func (l *Level) UnmarshalText(text []byte) error {
	level, ok := ParseLevel(string(text))
	if !ok {
		return fmt.Errorf("%q is not a level: use trace, debug, info, warn, error or fatal", text)
	}
	*l = level
	return nil
}
