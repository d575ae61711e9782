package filter

import (
	"strings"

	"github.com/itchyny/gojq"
)

// touched are the members of an object that a jq expression looks at when it is asked whether any of its answers is true; false where
// it may look at all of it. The others need not be decoded then.
func touched(q *gojq.Query) ([]string, bool) {
	var t touches
	if !t.query(q, true) {
		return nil, false
	}
	return t.names, true
}

type touches struct{ names []string }

// query looks at one expression. judged tells that its answers are only asked whether they are true, which the object itself is.
func (t *touches) query(q *gojq.Query, judged bool) bool {
	if q == nil || q.Meta != nil || len(q.Imports)+len(q.FuncDefs)+len(q.Patterns) > 0 {
		return false
	}
	if q.Term != nil {
		return t.term(q.Term, judged)
	}
	switch q.Op {
	case gojq.OpPipe:
		if q.Left != nil && q.Left.Term != nil && isSelect(q.Left.Term) { // its answer is the object
			return t.query(q.Left, true) && t.query(q.Right, judged)
		}
		return t.query(q.Left, false)
	case gojq.OpAnd, gojq.OpOr:
		return t.query(q.Left, true) && t.query(q.Right, true)
	case gojq.OpComma, gojq.OpAlt:
		return t.query(q.Left, judged) && t.query(q.Right, judged)
	case gojq.OpAdd, gojq.OpSub, gojq.OpMul, gojq.OpDiv, gojq.OpMod,
		gojq.OpEq, gojq.OpNe, gojq.OpGt, gojq.OpLt, gojq.OpGe, gojq.OpLe:
		return t.query(q.Left, false) && t.query(q.Right, false)
	}
	return false
}

func isSelect(t *gojq.Term) bool {
	return t.Type == gojq.TermTypeFunc && t.Func.Name == "select" && len(t.Func.Args) == 1 && len(t.SuffixList) == 0
}

func (t *touches) term(of *gojq.Term, judged bool) bool {
	suffixes := of.SuffixList
	if of.Type == gojq.TermTypeIdentity && len(suffixes) > 0 {
		if suffixes[0].Index == nil || !t.member(suffixes[0].Index) {
			return false
		}
		return t.brackets(suffixes[1:])
	}
	return t.value(of, judged && len(suffixes) == 0) && t.brackets(suffixes)
}

// value looks at a term without what follows it.
func (t *touches) value(of *gojq.Term, judged bool) bool {
	switch of.Type {
	case gojq.TermTypeNull, gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber:
		return true
	case gojq.TermTypeString:
		return len(of.Str.Queries) == 0
	case gojq.TermTypeIndex:
		return t.member(of.Index)
	case gojq.TermTypeIdentity:
		return judged
	case gojq.TermTypeQuery:
		return t.query(of.Query, judged)
	case gojq.TermTypeUnary:
		return t.term(of.Unary.Term, false)
	case gojq.TermTypeFunc:
		variable := strings.HasPrefix(of.Func.Name, "$") && len(of.Func.Args) == 0
		return variable || isSelect(of) && judged && t.query(of.Func.Args[0], true)
	}
	return false
}

// brackets looks at what follows a term: queries in brackets look at the object again.
func (t *touches) brackets(suffixes []*gojq.Suffix) bool {
	for _, s := range suffixes {
		i := s.Index
		if i == nil {
			continue
		}
		if i.Start != nil && !t.query(i.Start, false) || i.End != nil && !t.query(i.End, false) || i.Str != nil && len(i.Str.Queries) > 0 {
			return false
		}
	}
	return true
}

// member takes .name, ."name" and .["name"].
func (t *touches) member(i *gojq.Index) bool {
	text := i.Str
	if text == nil && i.Start != nil && !i.IsSlice && i.Start.Term != nil && len(i.Start.Term.SuffixList) == 0 {
		text = i.Start.Term.Str
	}
	switch {
	case i.Name != "":
		t.names = append(t.names, i.Name)
	case text != nil && len(text.Queries) == 0:
		t.names = append(t.names, text.Str)
	default:
		return false
	}
	return true
}
