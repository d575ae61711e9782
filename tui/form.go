package tui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// form asks for several things at once, a line each, over the lower part of the page.
type form struct {
	*desk
	title  string
	fields []*field
	at     int // of those that show
	done   func() (tea.Cmd, error)
	err    error
}

// field is one thing that a form asks for: a text, or one of several choices.
type field struct {
	name    string
	input   textinput.Model
	choices []string
	chosen  int
	when    func() bool // it is asked for; nil: always
}

// textField asks for a text; hint says what can be written.
func textField(name, text, hint string) *field {
	in := textinput.New()
	in.Prompt, in.Placeholder = "", hint
	st := in.Styles()
	st.Cursor.Blink = false
	st.Focused.Text = st.Blurred.Text
	in.SetStyles(plainInput(st))
	in.SetValue(text)
	in.CursorEnd()
	return &field{name: name, input: in}
}

// choiceField asks for one of several.
func choiceField(name string, choices ...string) *field { return &field{name: name, choices: choices} }

// on has a field asked for only where another has this value.
func (f *field) on(other *field, values ...string) *field {
	f.when = func() bool { return slices.Contains(values, other.value()) }
	return f
}

// value is what was written or chosen.
func (f *field) value() string {
	if f.choices != nil {
		return f.choices[f.chosen]
	}
	return strings.TrimSpace(f.input.Value())
}

func newForm(d *desk, title string, fields ...*field) *form {
	f := &form{desk: d, title: title, fields: fields}
	f.focus(0)
	return f
}

// showing are the fields that are asked for now.
func (f *form) showing() []*field {
	var all []*field
	for _, one := range f.fields {
		if one.when == nil || one.when() {
			all = append(all, one)
		}
	}
	return all
}

// focus goes to a field.
func (f *form) focus(at int) {
	all := f.showing()
	f.at = (at + len(all)) % len(all)
	for i, one := range all {
		if one.choices != nil {
			continue
		}
		if one.input.Blur(); i == f.at {
			one.input.Focus()
		}
	}
}

func (f *form) update(msg tea.Msg) (overlay, tea.Cmd) {
	one := f.showing()[f.at]
	if k, ok := msg.(tea.KeyPressMsg); ok {
		switch key := k.String(); {
		case key == "esc":
			return nil, nil
		case key == "enter":
			return f.enter()
		case key == "down" || key == "tab":
			f.focus(f.at + 1)
			return f, nil
		case key == "up" || key == "shift+tab":
			f.focus(f.at - 1)
			return f, nil
		case one.choices != nil && (key == "right" || key == "space" || key == "l"):
			one.chosen = (one.chosen + 1) % len(one.choices)
			f.err = nil
			return f, nil
		case one.choices != nil && (key == "left" || key == "h"):
			one.chosen = (one.chosen + len(one.choices) - 1) % len(one.choices)
			f.err = nil
			return f, nil
		}
	}
	if one.choices == nil {
		f.err = nil
		one.input, _ = one.input.Update(msg)
	}
	return f, nil
}

// enter ends the form, unless something in it is wrong.
func (f *form) enter() (overlay, tea.Cmd) {
	cmd, err := f.done()
	if err != nil {
		f.err = err
		return f, nil
	}
	return nil, cmd
}

func (f *form) view(w, h int) []string {
	t := f.theme
	all := f.showing()
	names := 0
	for _, one := range all {
		names = max(names, width(one.name))
	}
	lines := []string{f.ruleLine(w), newLine(w, "", f.signs).gap(2).add(t.strong, clean(f.title)).String()}
	end := []string{}
	if f.err != nil {
		parts, _ := wrap([]piece{{t.bad, clean(strings.ReplaceAll(f.err.Error(), "\n", " "))}}, max(8, w-4), 3)
		for _, ps := range parts {
			end = append(end, addAll(newLine(w, "", f.signs).gap(2), ps).String())
		}
	}
	end = append(end, f.keyLine(w))
	room := max(1, h-len(lines)-len(end))
	from := max(0, min(f.at-room/2, len(all)-room))
	for i := from; i < min(len(all), from+room); i++ {
		lines = append(lines, f.row(all[i], i == f.at, names, w))
	}
	lines = append(lines, end...)
	return lines[max(0, len(lines)-h):]
}

func (f *form) row(one *field, here bool, names, w int) string {
	t := f.theme
	l := newLine(w, "", f.signs).add(t.accent, either(here, f.signs.cursor, " ")).gap(1)
	l.cell(either(here, t.accent, t.dim), one.name, min(names, w/2), false).gap(2)
	switch {
	case one.choices != nil:
		where := ""
		if here && len(one.choices) > 1 {
			where = "  " + itoa(one.chosen+1) + " of " + itoa(len(one.choices))
		}
		l.add("", cutTo(clean(one.value()), max(1, l.left()-len(where)), f.signs)).add(t.faint, where)
	case here:
		one.input.SetWidth(max(1, l.left()-1))
		l.raw(one.input.View())
	case one.value() == "":
		l.add(t.faint, clean(one.input.Placeholder))
	default:
		l.add("", clean(one.value()))
	}
	return l.String()
}

func (f *form) keyLine(w int) string {
	t := f.theme
	l := newLine(w, "", f.signs).gap(2).add(t.accent, "enter").add(t.dim, " go on").gap(2)
	if len(f.showing()) > 1 {
		l.add(t.accent, "tab").add(t.dim, " next").gap(2)
	}
	if f.showing()[f.at].choices != nil {
		l.add(t.accent, "space").add(t.dim, " choose").gap(2)
	}
	return l.add(t.accent, "esc").add(t.dim, " back").String()
}
