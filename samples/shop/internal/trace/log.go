package trace

import (
	"context"
	"log/slog"
)

// Handler adds trace_id and span_id to every record that is logged under a span.
type Handler struct{ slog.Handler }

func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	if s, ok := From(ctx); ok {
		r.AddAttrs(slog.String("trace_id", s.TraceID), slog.String("span_id", s.ID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Handler{h.Handler.WithAttrs(attrs)}
}

func (h Handler) WithGroup(name string) slog.Handler {
	return Handler{h.Handler.WithGroup(name)}
}
