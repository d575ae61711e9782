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
	switch of.Type {
	case gojq.TermTypeNull, gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber:
	case gojq.TermTypeString:
		if len(of.Str.Queries) > 0 {
			return false
		}
	case gojq.TermTypeIndex:
		if !t.member(of.Index) {
			return false
		}
	case gojq.TermTypeIdentity:
		switch {
		case len(suffixes) == 0:
			return judged
		case suffixes[0].Index == nil || !t.member(suffixes[0].Index):
			return false
		}
		suffixes = suffixes[1:]
	case gojq.TermTypeQuery:
		if !t.query(of.Query, judged && len(suffixes) == 0) {
			return false
		}
	case gojq.TermTypeUnary:
		if !t.term(of.Unary.Term, false) {
			return false
		}
	case gojq.TermTypeFunc:
		if strings.HasPrefix(of.Func.Name, "$") && len(of.Func.Args) == 0 {
			break
		}
		return isSelect(of) && judged && t.query(of.Func.Args[0], true)
	default:
		return false
	}
	for _, s := range suffixes { // what is in their brackets looks at the object again
		if s.Index != nil && (s.Index.Start != nil && !t.query(s.Index.Start, false) || s.Index.End != nil && !t.query(s.Index.End, false) ||
			s.Index.Str != nil && len(s.Index.Str.Queries) > 0) {
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
