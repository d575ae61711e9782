package process

import "strings"

// builtins are commands that only a shell has, or that change only the shell.
var builtins = map[string]bool{".": true, ":": true, "[": true, "alias": true, "cd": true, "eval": true, "exec": true, "exit": true, "export": true, "for": true,
	"if": true, "set": true, "source": true, "test": true, "trap": true, "ulimit": true, "umask": true, "unset": true, "until": true, "while": true, "!": true}

// words splits a command line as a shell would. A line that needs more than that of a shell (variables, pipes, patterns,
// several commands) is given to one as it is.
func words(text string) []string {
	list, ok := split(text)
	if !ok || len(list) > 0 && (builtins[list[0]] || strings.Contains(list[0], "=")) {
		return []string{"/bin/sh", "-c", text}
	}
	return list
}

// split splits a line into words; false says that it is not for us: it has something special, or a quote that does not end.
func split(text string) ([]string, bool) {
	var list []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == ' ' || c == '\t':
			if inWord {
				list = append(list, word.String())
				word.Reset()
			}
			inWord = false
			continue
		case c == '\'' || c == '"':
			part, length, ok := quoted(text[i:])
			if !ok {
				return nil, false
			}
			word.WriteString(part)
			i += length - 1
		case c == '\\' && i+1 < len(text) && text[i+1] != '\n':
			i++
			word.WriteByte(text[i])
		case strings.IndexByte("|&;<>()$`\\*?[]{}\n!", c) >= 0, !inWord && (c == '~' || c == '#'):
			return nil, false
		default:
			word.WriteByte(c)
		}
		inWord = true
	}
	if inWord {
		list = append(list, word.String())
	}
	return list, true
}

// quoted reads what stands in the quotes at the beginning of a text, and tells how long it is with them.
func quoted(text string) (part string, length int, ok bool) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == quote:
			return b.String(), i + 1, true
		case quote == '"' && (c == '$' || c == '`'):
			return "", 0, false
		case quote == '"' && c == '\\' && i+1 < len(text) && strings.IndexByte("\"\\$`", text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}
