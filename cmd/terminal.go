package cmd

import (
	"os"
	"strconv"

	"golang.org/x/term"
)

// isTerminal tells whether a person sits at the other end of a stream.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// interactive tells whether the screen can be opened.
func (a *app) interactive() bool {
	return isTerminal(a.in) && isTerminal(a.out) && a.env("TERM") != "dumb"
}

// colour tells whether to colour what is written to a stream: --ansi, NO_COLOR, and whether it is a terminal.
func (a *app) colour(f *os.File) bool {
	switch mode := a.ansiMode(); {
	case mode == "never":
		return false
	case mode == "always":
		return true
	default:
		return a.env("NO_COLOR") == "" && a.env("TERM") != "dumb" && isTerminal(f)
	}
}

func (a *app) ansiMode() string {
	if a.ansi == "" || a.ansi == "auto" {
		return a.env("COMPOSE_ANSI")
	}
	return a.ansi
}

// painter colours text, or leaves it as it is.
type painter struct{ on bool }

func newPainter(on bool) painter { return painter{on} }

func (p painter) sgr(code, text string) string {
	if !p.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p painter) red(text string) string    { return p.sgr("31", text) }
func (p painter) green(text string) string  { return p.sgr("32", text) }
func (p painter) yellow(text string) string { return p.sgr("33", text) }
func (p painter) dim(text string) string    { return p.sgr("2", text) }

// hues are the colours that tell services apart, as the screen has them: blue, purple, teal, orange, pink, green, violet, sand. Red is
// left to errors.
var hues = []int{94, 35, 36, 33, 95, 32, 34, 93}

// hue colours text as the nth service.
func (p painter) hue(n int, text string) string { return p.sgr(strconv.Itoa(hues[n%len(hues)]), text) }
