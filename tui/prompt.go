package tui

import (
	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// prompt asks for one line of text, in the place of the page's last line.
type prompt struct {
	*desk
	label   string
	input   textinput.Model
	before  string                        // what stood there; esc brings it back
	closing bool                          // esc was pressed
	change  func(string) error            // at each key
	done    func(string) (tea.Cmd, error) // at enter
	options []option
	err     error
}

// option is a switch of a prompt.
type option struct {
	key    string
	label  func() string
	toggle func()
}

func newPrompt(d *desk, label, text string) *prompt {
	in := textinput.New()
	in.Prompt = ""
	st := in.Styles()
	st.Cursor.Blink = false
	st.Focused.Text = st.Blurred.Text
	in.SetStyles(plainInput(st))
	in.SetValue(text)
	in.CursorEnd()
	in.Focus()
	return &prompt{desk: d, label: label, input: in, before: text}
}

// newFilterPrompt filters a list while it is typed.
func newFilterPrompt(d *desk, text string, set func(string)) *prompt {
	p := newPrompt(d, "filter", text)
	p.change = func(s string) error {
		set(s)
		return nil
	}
	return p
}

func (p *prompt) update(msg tea.Msg) (overlay, tea.Cmd) {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		switch k.String() {
		case "esc":
			p.closing = true
			if p.change != nil {
				p.err = p.change(p.before)
			}
			return nil, nil
		case "enter":
			return p.enter()
		}
		for _, o := range p.options {
			if o.key == k.String() {
				o.toggle()
				p.changed()
				return p, nil
			}
		}
	}
	before := p.input.Value()
	p.input, _ = p.input.Update(msg)
	if p.input.Value() != before {
		p.changed()
	}
	return p, nil
}

func (p *prompt) changed() {
	p.err = nil
	if p.change != nil {
		p.err = p.change(p.input.Value())
	}
}

func (p *prompt) enter() (overlay, tea.Cmd) {
	if p.err != nil {
		return p, nil
	}
	if p.done == nil {
		return nil, nil
	}
	cmd, err := p.done(p.input.Value())
	if err != nil {
		p.err = err
		return p, nil
	}
	return nil, cmd
}

func (p *prompt) view(w, h int) []string {
	t := p.theme
	l := newLine(w, "", p.signs).gap(1).add(t.accent, p.label).gap(1)
	field := max(8, min(60, l.left()/2))
	p.input.SetWidth(field - 1)
	at := l.used
	l.raw(p.input.View())
	l.to(min(at+max(width(p.input.Value())+2, field/2), w-1)).gap(1)
	if text := p.err; text != nil && width(clean(text.Error())) > l.left() {
		lines := []string{p.ruleLine(w)}
		parts, _ := wrap([]piece{{t.bad, clean(text.Error())}}, max(8, w-4), 3)
		for _, ps := range parts {
			lines = append(lines, addAll(newLine(w, "", p.signs).gap(3), ps).String())
		}
		lines = append(lines, l.String())
		return lines[max(0, len(lines)-h):]
	} else if text != nil {
		return []string{p.ruleLine(w), l.add(t.bad, clean(text.Error())).String()}
	}
	for _, o := range p.options {
		l.add(t.accent, keyName(o.key)).gap(1).add(t.dim, o.label()).gap(2)
	}
	l.add(t.accent, "enter").add(t.dim, " keep").gap(2).add(t.accent, "esc").add(t.dim, " back")
	return []string{p.ruleLine(w), l.String()}
}

// ruleLine sets an overlay off from the page.
func (d *desk) ruleLine(w int) string {
	l := newLine(w, "", d.signs)
	for l.left() > 0 {
		l.add(d.theme.faint, d.signs.rule)
	}
	return l.String()
}

// plainInput takes all colours from an input's styles: the terminal's own are what a person types in.
func plainInput(st textinput.Styles) textinput.Styles {
	st.Focused.Text = st.Focused.Text.UnsetForeground()
	st.Focused.Prompt = st.Focused.Prompt.UnsetForeground()
	st.Focused.Placeholder = st.Focused.Placeholder.UnsetForeground()
	return st
}
