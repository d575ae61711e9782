//go:build !linux

package watch

// remote tells whether others can write to where a path is without this machine's kernel telling of it. Here that is not known.
func remote(string) bool { return false }
