package tui

import tea "charm.land/bubbletea/v2"

type graphPage struct{ *desk }

func newGraphPage(d *desk) *graphPage { return &graphPage{d} }

func (p *graphPage) view(w, h int) []string    { return blank(w, h, p.theme, p.signs, nil) }
func (p *graphPage) do(action) (tea.Cmd, bool) { return nil, false }
func (p *graphPage) mouse(mouse) tea.Cmd       { return nil }
func (p *graphPage) refresh() tea.Cmd          { return nil }
func (p *graphPage) hints() []action           { return nil }
