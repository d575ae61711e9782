package tui

import (
	"strings"
)

// style is how a piece of text looks: the parameters of one SGR sequence ("1;38;2;130;170;255"), empty for plain text.
type style string

// paint returns s between the style's sequence and a reset.
func (st style) paint(s string) string {
	if st == "" || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[m"
}

// and returns the style that sets both; what over sets, wins.
func (st style) and(over style) style {
	switch {
	case st == "":
		return over
	case over == "":
		return st
	}
	return st + ";" + over
}

// ThemeName chooses the colours of the screen.
type ThemeName string

// The themes. ThemeAuto asks the terminal for its background; ThemeNone uses no colour at all (NO_COLOR).
const (
	ThemeAuto     ThemeName = "auto"
	ThemeDark     ThemeName = "dark"
	ThemeLight    ThemeName = "light"
	ThemeContrast ThemeName = "contrast"
	ThemeNone     ThemeName = "none"
)

var themeNames = []string{string(ThemeAuto), string(ThemeDark), string(ThemeLight), string(ThemeContrast), string(ThemeNone)}

// theme holds a style for each meaning on the screen. Colour never carries a meaning alone: a sign or a word stands
// beside it, so that ThemeNone loses nothing.
type theme struct {
	strong style // headings, names of what is selected
	dim    style // secondary text
	faint  style // rules, units, what is there only for orientation
	accent style // keys, the active tab, the selection's sign
	sel    style // under the selected row of the focused list
	rest   style // under the selected row of a list without the focus
	match  style // text that a search found
	ok     style
	busy   style
	bad    style
	info   style
	names  []style // of services, before merged lines
}

func newTheme(name ThemeName, dark bool) *theme {
	switch {
	case name == ThemeNone:
		return &theme{strong: "1", dim: "", faint: "2", accent: "1", sel: "7", rest: "4", match: "1;4", bad: "1"}
	case name == ThemeContrast && dark:
		return &theme{strong: "1;97", dim: "37", faint: "37", accent: "1;96", sel: on(0x003a8c).and("1"), rest: "4", match: rgb(0).and(on(0xffe14d)),
			ok: "1;92", busy: "1;93", bad: "1;91", info: "1;96", names: []style{"96", "95", "93", "92", "97"}}
	case name == ThemeContrast:
		return &theme{strong: "1;30", dim: "30", faint: "30", accent: "1;34", sel: on(0xcfe0ff).and("1"), rest: "4", match: rgb(0).and(on(0xffe14d)),
			ok: "1;32", busy: "1;35", bad: "1;31", info: "1;34", names: []style{"34", "35", "32", "31", "30"}}
	case name == ThemeLight || name == ThemeAuto && !dark:
		return &theme{strong: "1", dim: rgb(0x5f6773), faint: rgb(0x8f98a3), accent: rgb(0x0759b8), sel: on(0xd6e5fb), rest: on(0xecf0f4), match: on(0xffe58a),
			ok: rgb(0x187a34), busy: rgb(0x8f5d00), bad: rgb(0xc4212d), info: rgb(0x0759b8),
			names: rgbs(0x0b6bb5, 0x8a3fb0, 0x0f7b6c, 0xa04a00, 0xb02a6f, 0x4d6b00, 0x5152c4, 0x7a5a2b)}
	}
	return &theme{strong: "1", dim: rgb(0x959dab), faint: rgb(0x6b7382), accent: rgb(0x8ab4ff), sel: on(0x2c3548), rest: on(0x23272f), match: on(0x6b5310),
		ok: rgb(0x7cc77a), busy: rgb(0xe5b95c), bad: rgb(0xf47c7c), info: rgb(0x7ab8f5),
		names: rgbs(0x7ab8f5, 0xc99bea, 0x6fcabb, 0xe0a96d, 0xe78fb8, 0xa9c46c, 0x9fa8f5, 0xcdb89a)}
}

func rgb(hex int) style { return style(colour("38", hex)) }
func on(hex int) style  { return style(colour("48", hex)) }

func rgbs(hex ...int) []style {
	styles := make([]style, len(hex))
	for i, h := range hex {
		styles[i] = rgb(h)
	}
	return styles
}

func colour(layer string, hex int) string {
	return layer + ";2;" + itoa(hex>>16&255) + ";" + itoa(hex>>8&255) + ";" + itoa(hex&255)
}

// signs are the characters that draw the screen: one set for terminals with UTF-8, one for those without.
type signs struct {
	ready, busy, stopped, failed, reloading string
	cursor, mark, none, cut, restarts       string
	rule, bar, up, down, to, dot            string
	folded, unfolded                        string
	lines                                   [16]string // by the directions that meet: up 1, down 2, left 4, right 8
	dashed, double                          string     // a horizontal line for the other conditions
	head                                    string     // where a line meets its service
	bars                                    []string   // of a sparkline, from nothing to all
}

func newSigns(ascii bool) *signs {
	if ascii {
		return &signs{ready: "*", busy: "~", stopped: "-", failed: "x", reloading: "@",
			cursor: ">", mark: "+", none: "-", cut: ">", restarts: "RE", rule: "-", bar: "|", up: "^", down: "v", to: "->", dot: "-",
			folded: "+", unfolded: "-",
			lines:  [16]string{" ", "|", "|", "|", "-", "+", "+", "+", "-", "+", "+", "+", "-", "+", "+", "+"},
			dashed: ".", double: "=", head: ">", bars: []string{"_", ".", "-", "=", "#"}}
	}
	return &signs{ready: "●", busy: "◐", stopped: "○", failed: "✖", reloading: "⟳",
		cursor: "▸", mark: "✓", none: "–", cut: "…", restarts: "↻", rule: "─", bar: "│", up: "▴", down: "▾", to: "→", dot: "·",
		folded: "▸", unfolded: "▾",
		lines:  [16]string{" ", "│", "│", "│", "─", "┘", "┐", "┤", "─", "└", "┌", "├", "─", "┴", "┬", "┼"},
		dashed: "╌", double: "═", head: "▸", bars: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}}
}

// asciiOnly tells from the environment whether the terminal may be unable to show more than ASCII: TERM=dumb, or a
// locale that is set and is not UTF-8.
func asciiOnly(getenv func(string) string) bool {
	if getenv("TERM") == "dumb" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return false
}
