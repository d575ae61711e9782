package amqp

import (
	"fmt"
	"reflect"
	"strconv"

	"msdev/brokers/wire"
)

// sameFlag fails with RabbitMQ's text when a second declaration differs in one property.
func sameFlag(name, key string, current, received bool) *Error {
	return sameName(name, key, strconv.FormatBool(current), strconv.FormatBool(received))
}

func sameName(name, key, current, received string) *Error {
	if current == received {
		return nil
	}
	return inequivalent(name, key, "'"+current+"'", "'"+received+"'")
}

// sameArguments compares the given arguments of two declarations.
func sameArguments(name string, keys []string, current, received wire.Table) *Error {
	for _, key := range keys {
		a, hasA := current.Get(key)
		b, hasB := received.Get(key)
		if key == "x-queue-type" && (!hasA && b == classicQueue || !hasB && a == classicQueue) {
			continue
		}
		if hasA == hasB && sameValue(a, b) {
			continue
		}
		if hasA && hasB {
			return inequivalent(name, key, plain(a), plain(b))
		}
		return inequivalent(name, key, typed(a, hasA), typed(b, hasB))
	}
	return nil
}

// sameValue compares two argument values; integers of different widths are equal when their numbers are.
func sameValue(a, b any) bool {
	x, isX := wire.Integer(a)
	y, isY := wire.Integer(b)
	if isX && isY {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func inequivalent(name, key, current, received string) *Error {
	return preconditionFailed("inequivalent arg '%s' for %s: received %s but current is %s", key, name, received, current)
}

func plain(v any) string { return fmt.Sprintf("'%v'", v) }

func typed(v any, present bool) string {
	if !present {
		return "none"
	}
	return fmt.Sprintf("the value '%v' of type '%s'", v, typeName(v))
}
