package docker

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// listArchive writes down what is in an archive, one path a line. It fails where files go while the engine reads them.
func listArchive(from io.ReadCloser) (string, error) {
	defer from.Close()
	var lines []string
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		switch h.Typeflag {
		case tar.TypeSymlink:
			lines = append(lines, h.Name+" → "+h.Linkname)
		case tar.TypeReg:
			content, err := io.ReadAll(r)
			if err != nil {
				return "", err
			}
			text := string(content)
			if len(text) > 1000 {
				text = fmt.Sprintf("%d bytes", len(text))
			}
			lines = append(lines, fmt.Sprintf("%s %o %d:%d %s", h.Name, h.Mode&0o7777, h.Uid, h.Gid, text))
		default:
			lines = append(lines, fmt.Sprintf("%s %o %d:%d", h.Name, h.Mode&0o7777, h.Uid, h.Gid))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

func TestTopmost(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"/a", "/a"}, {"/a /a/b /a/b/c /ab", "/a /ab"}, {"/a /a-b /a/b", "/a /a-b"}, {"/x/a /x/b", "/x/a /x/b"},
	} {
		if got := strings.Join(topmost(strings.Fields(tt.in)), " "); got != tt.want {
			t.Errorf("topmost(%s) = %s, not %s", tt.in, got, tt.want)
		}
	}
}
