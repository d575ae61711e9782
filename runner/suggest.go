package runner

import (
	"fmt"
	"strings"
)

// Nearest returns the candidate that a mistyped word most likely stands for, or "" if none is close.
func Nearest(word string, candidates []string) string {
	best, distance := "", min((len(word)+2)/3, len(word)-1)
	for _, c := range candidates {
		if d := edits(strings.ToLower(word), strings.ToLower(c)); d < distance || d == distance && best == "" {
			best, distance = c, d
		}
	}
	if best == "" && len(word) >= 3 {
		for _, c := range candidates {
			if strings.HasPrefix(c, word) || strings.HasPrefix(word, c+"-") || strings.HasPrefix(word, c+"_") {
				return c
			}
		}
	}
	return best
}

// edits counts the insertions, deletions, substitutions and swaps of neighbours that make b of a.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func didYouMean(name string) string { return fmt.Sprintf("Did you mean %q?", name) }
