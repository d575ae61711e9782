package amqp

import (
	"fmt"

	"msdev/brokers/wire"
)

// Reply codes of AMQP 0-9-1, chapter "constants".
const (
	codeNoRoute            = 312
	codeConnectionForced   = 320
	codeInvalidPath        = 402
	codeAccessRefused      = 403
	codeNotFound           = 404
	codeResourceLocked     = 405
	codePreconditionFailed = 406
	codeFrameError         = 501
	codeSyntaxError        = 502
	codeCommandInvalid     = 503
	codeChannelError       = 504
	codeUnexpectedFrame    = 505
	codeNotAllowed         = 530
	codeNotImplemented     = 540
	codeInternalError      = 541
)

var codeNames = map[uint16]string{
	codeConnectionForced:   "CONNECTION_FORCED",
	codeInvalidPath:        "INVALID_PATH",
	codeAccessRefused:      "ACCESS_REFUSED",
	codeNotFound:           "NOT_FOUND",
	codeResourceLocked:     "RESOURCE_LOCKED",
	codePreconditionFailed: "PRECONDITION_FAILED",
	codeFrameError:         "FRAME_ERROR",
	codeSyntaxError:        "SYNTAX_ERROR",
	codeCommandInvalid:     "COMMAND_INVALID",
	codeChannelError:       "CHANNEL_ERROR",
	codeUnexpectedFrame:    "UNEXPECTED_FRAME",
	codeNotAllowed:         "NOT_ALLOWED",
	codeNotImplemented:     "NOT_IMPLEMENTED",
	codeInternalError:      "INTERNAL_ERROR",
}

// Error is an AMQP exception: what a channel.close or connection.close says.
type Error struct {
	Code   uint16
	Text   string  // without the code's name
	Method wire.ID // the method that failed, or 0
}

func (e *Error) Error() string { return e.reply() }

// reply is the reply-text: the code's name and the explanation, cut to the 255 octets a short string holds.
func (e *Error) reply() string {
	s := codeNames[e.Code] + " - " + e.Text
	if len(s) > 255 {
		s = s[:252] + "..."
	}
	return s
}

// hard tells whether the error ends the connection rather than one channel.
func (e *Error) hard() bool {
	switch e.Code {
	case codeAccessRefused, codeNotFound, codeResourceLocked, codePreconditionFailed:
		return false
	}
	return true
}

func fail(code uint16, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

func preconditionFailed(format string, args ...any) *Error {
	return fail(codePreconditionFailed, format, args...)
}

// named renders an entity as RabbitMQ's error texts do: queue 'x' in vhost '/'.
func named(kind, name, vhost string) string {
	return fmt.Sprintf("%s '%s' in vhost '%s'", kind, name, vhost)
}
