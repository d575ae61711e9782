package rabbitmq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// api is RabbitMQ's HTTP management API.
type api struct {
	root   *url.URL
	vhost  string
	client *http.Client
}

const (
	apiTimeout = 20 * time.Second
	mostAnswer = 256 << 20
)

// apiError is an answer that is no success.
type apiError struct {
	Status int
	Text   string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("the management API answers %d %s", e.Status, e.Text)
}

func answered(err error, status int) bool {
	var said *apiError
	return errors.As(err, &said) && said.Status == status
}

// path joins the parts of a path, escaping each. The virtual host is written as "%v".
func (a *api) path(parts ...string) string {
	var b strings.Builder
	b.WriteString("/api")
	for _, part := range parts {
		if part == "%v" {
			part = a.vhost
		}
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}

// do asks, and decodes the answer into out unless that is nil.
func (a *api) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	where := *a.root
	where.User = nil
	ask, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(where.String(), "/")+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		ask.Header.Set("Content-Type", "application/json")
	}
	password, _ := a.root.User.Password()
	ask.SetBasicAuth(a.root.User.Username(), password)
	answer, err := a.client.Do(ask)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	from := io.LimitReader(answer.Body, mostAnswer)
	if answer.StatusCode >= http.StatusMultipleChoices {
		var said struct{ Error, Reason any }
		_ = json.NewDecoder(from).Decode(&said) // what is no JSON has no reason
		text := http.StatusText(answer.StatusCode)
		if reason, ok := said.Reason.(string); ok {
			text = reason
		}
		return &apiError{answer.StatusCode, text}
	}
	if out == nil {
		_, err := io.Copy(io.Discard, from)
		return err
	}
	d := json.NewDecoder(from)
	d.UseNumber()
	return d.Decode(out)
}

func (a *api) get(ctx context.Context, path string, out any) error {
	return a.do(ctx, http.MethodGet, path, nil, out)
}
