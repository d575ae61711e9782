package rabbit

import (
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Permanent marks an error that trying again cannot mend.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

type verdict int

const (
	done  verdict = iota // acknowledge
	retry                // reject, to come back later
	bury                 // move to the dead-letter queue
)

// decide says what becomes of a message whose attempt'th handling, counted from 1, ended in err.
func decide(err error, attempt, maxAttempts int) verdict {
	var p permanent
	switch {
	case err == nil:
		return done
	case errors.As(err, &p) || attempt >= maxAttempts:
		return bury
	default:
		return retry
	}
}

// rejections is how often a message was rejected from queue so far, as the broker counted in x-death.
func rejections(headers amqp.Table, queue string) int {
	deaths, _ := headers["x-death"].([]any)
	for _, d := range deaths {
		death, _ := d.(amqp.Table)
		if death["queue"] == queue && death["reason"] == "rejected" {
			count, _ := death["count"].(int64)
			return int(count)
		}
	}
	return 0
}
