package tui

// split is how a list and its detail share a page: the detail below the list, or beside it where there is room.
type split struct {
	w, h   int
	list   box
	detail box // height 0: there is no room for it
	beside bool
}

// box is an area of a page.
type box struct{ x, y, w, h int }

func (b box) holds(x, y int) bool { return x >= b.x && x < b.x+b.w && y >= b.y && y < b.y+b.h }

const (
	besideFrom = 140 // columns from which the detail stands beside the list
	detailFrom = 44  // columns from which there is a detail at all
)

// splitPage shares w columns and h lines. The list wants so many columns and lines; focus on a zoomed pane gives it all.
func splitPage(w, h, wantW, wantH int, zoom, onDetail bool) split {
	s := split{w: w, h: h, list: box{0, 0, w, h}}
	switch {
	case zoom && onDetail:
		s.list = box{}
		s.detail = box{0, 0, w, h}
	case zoom || w < detailFrom || h < 9:
	case w >= besideFrom:
		lw := min(max(wantW, w*4/10), w*6/10)
		s.list.w = lw
		s.detail = box{lw + 1, 0, w - lw - 1, h}
		s.beside = true
	default:
		lh := max(4, min(wantH, h*6/10))
		s.list.h = lh
		s.detail = box{0, lh, w, h - lh}
	}
	return s
}

// join puts the two together; both are as high and wide as their boxes.
func (s split) join(list, detail []string, t *theme, sg *signs) []string {
	if !s.beside {
		return append(list, detail...)
	}
	bar := t.faint.paint(sg.bar)
	lines := make([]string, len(list))
	for i := range list {
		lines[i] = list[i] + bar + detail[i]
	}
	return lines
}
