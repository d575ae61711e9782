package journal

import (
	"strconv"
	"strings"
)

// A keyRole is what a key of a structured line means.
type keyRole uint8

const (
	roleOther keyRole = iota
	roleLevel
	roleMessage
	roleWeakMessage // the message, if no other key is
	roleTime
	roleCaller
	roleFile // of the caller
	roleLine // of the caller
	roleTrace
	roleSpan
)

// roleOf returns what a key means, whatever its case and its separators: "traceID", "trace_id" and "trace.id" are one.
func roleOf(key string) keyRole {
	var plain [28]byte
	n := 0
	for i := range len(key) {
		c := key[i]
		switch {
		case isUpper(c):
			c |= 0x20
		case c == '_' || c == '-' || c == '.' || c == '@' || c == '$' || c == '/':
			continue
		}
		if n == len(plain) {
			return roleOther
		}
		plain[n] = c
		n++
	}
	switch string(plain[:n]) {
	case "level", "lvl", "severity", "loglevel", "levelname", "severitytext", "l", "s":
		return roleLevel
	case "msg", "message", "m", "shortmessage":
		return roleMessage
	case "event", "text", "mt", "body":
		return roleWeakMessage
	case "time", "ts", "timestamp", "t", "datetime", "asctime", "eventtime", "timemillis", "tdate", "instantepochsecond":
		return roleTime
	case "caller", "source", "src", "file", "location", "c":
		return roleCaller
	case "sourcefile", "pathname", "logoriginfilename", "codefilepath":
		return roleFile
	case "sourceline", "lineno", "logoriginfileline", "codelineno":
		return roleLine
	case "traceid", "trace", "ddtraceid", "oteltraceid", "xb3traceid", "traceparent", "logginggoogleapiscomtrace":
		return roleTrace
	case "spanid", "span", "ddspanid", "otelspanid", "xb3spanid", "logginggoogleapiscomspanid":
		return roleSpan
	}
	return roleOther
}

// traceID brings a trace id into W3C's form, 32 lower-case hex digits; "" where value is none. Zipkin's and Datadog's ids
// of 64 bits are padded with zeros, as both do it; Datadog writes them in decimal.
func traceID(key, value string) string {
	if slash := strings.LastIndexByte(value, '/'); slash >= 0 {
		value = value[slash+1:] // Google Cloud: projects/NAME/traces/ID
	}
	if len(value) == 36 && value[8] == '-' {
		value = strings.ReplaceAll(value, "-", "")
	}
	if len(value) != 32 {
		value = spanID(key, value)
		if value == "" {
			return ""
		}
		value = "0000000000000000" + value
	}
	return hexID(value)
}

// spanID brings a span id into W3C's form, 16 lower-case hex digits; "" where value is none.
func spanID(key, value string) string {
	if isDatadog(key) {
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return ""
		}
		value = strconv.FormatUint(n, 16)
		value = "0000000000000000"[len(value):] + value
	}
	if len(value) != 16 {
		return ""
	}
	return hexID(value)
}

func isDatadog(key string) bool {
	return len(key) > 3 && key[:2] == "dd" && (key[2] == '.' || key[2] == '_')
}

// hexID returns an id in lower case, and "" where it is not hex or only zeros.
func hexID(s string) string {
	zeros := true
	for i := range len(s) {
		c := s[i]
		if !isDigit(c) && c|0x20-'a' >= 6 {
			return ""
		}
		zeros = zeros && c == '0'
	}
	if zeros {
		return ""
	}
	return strings.ToLower(s)
}
