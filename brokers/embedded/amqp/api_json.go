package amqp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"msdev/brokers/wire"
)

// JSON cannot say everything a field table can, so the ways to and from it lose types, as RabbitMQ's API does.

func tableJSON(t wire.Table) map[string]any {
	out := map[string]any{}
	for _, f := range t {
		out[f.Key] = valueJSON(f.Value)
	}
	return out
}

func valueJSON(v any) any {
	switch v := v.(type) {
	case wire.Table:
		return tableJSON(v)
	case wire.Array:
		list := make([]any, len(v))
		for i := range v {
			list[i] = valueJSON(v[i])
		}
		return list
	case string:
		return textJSON([]byte(v))
	case []byte:
		return textJSON(v)
	case wire.Decimal:
		return json.Number(decimalText(v))
	}
	return v
}

func decimalText(d wire.Decimal) string {
	s := strconv.FormatUint(uint64(d.Value), 10)
	if d.Scale == 0 {
		return s
	}
	if pad := int(d.Scale) + 1 - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	return s[:len(s)-int(d.Scale)] + "." + s[len(s)-int(d.Scale):]
}

func textJSON(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return "Not UTF-8, base64 is: " + base64.StdEncoding.EncodeToString(b)
}

func jsonTable(m map[string]any) wire.Table {
	var t wire.Table
	for _, k := range slices.Sorted(maps.Keys(m)) {
		t = append(t, wire.Field{Key: k, Value: jsonValue(m[k])})
	}
	return t
}

func jsonValue(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		t := jsonTable(v)
		if t == nil {
			t = wire.Table{}
		}
		return t
	case []any:
		list := make(wire.Array, len(v))
		for i := range v {
			list[i] = jsonValue(v[i])
		}
		return list
	}
	return v
}

func propertiesJSON(p wire.Properties) map[string]any {
	out := map[string]any{}
	for _, f := range propertyTable(p) {
		out[f.Key] = valueJSON(f.Value)
	}
	return out
}

func jsonProperties(m map[string]any) wire.Properties {
	var p wire.Properties
	text := func(key string, bit wire.Flags, to *string) {
		if s, ok := m[key].(string); ok {
			*to, p.Has = s, p.Has|bit
		}
	}
	number := func(key string, bit wire.Flags) uint64 {
		n, ok := m[key].(json.Number)
		if !ok {
			return 0
		}
		p.Has |= bit
		v, _ := strconv.ParseUint(n.String(), 10, 64)
		return v
	}
	text("content_type", wire.HasContentType, &p.ContentType)
	text("content_encoding", wire.HasContentEncoding, &p.ContentEncoding)
	text("correlation_id", wire.HasCorrelationID, &p.CorrelationID)
	text("reply_to", wire.HasReplyTo, &p.ReplyTo)
	text("expiration", wire.HasExpiration, &p.Expiration)
	text("message_id", wire.HasMessageID, &p.MessageID)
	text("type", wire.HasType, &p.Type)
	text("user_id", wire.HasUserID, &p.UserID)
	text("app_id", wire.HasAppID, &p.AppID)
	text("cluster_id", wire.HasClusterID, &p.ClusterID)
	p.DeliveryMode = uint8(number("delivery_mode", wire.HasDeliveryMode))
	p.Priority = uint8(number("priority", wire.HasPriority))
	p.Timestamp = number("timestamp", wire.HasTimestamp)
	if h, ok := m["headers"].(map[string]any); ok {
		p.SetHeaders(jsonTable(h))
	}
	return p
}

// flexBool and flexInt also read strings, which some tools send.
type flexBool bool

func (f *flexBool) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseBool(string(bytes.Trim(b, `"`)))
	*f = flexBool(v)
	if string(b) == "null" {
		return nil
	}
	return err
}

type flexInt int

func (f *flexInt) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(string(bytes.Trim(b, `"`)))
	*f = flexInt(n)
	return err
}

// tagList reads tags: a list, or one string with commas.
func tagList(v any) []string {
	tags := []string{}
	switch v := v.(type) {
	case string:
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				tags = append(tags, s)
			}
		}
	case []any:
		for _, t := range v {
			if s, ok := t.(string); ok {
				tags = append(tags, s)
			}
		}
	}
	return tags
}
