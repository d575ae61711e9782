package rabbitmq

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"msdev/brokers"
	"msdev/brokers/wire"
)

// Where nothing can be listed, a broker still tells what an exchange or a queue is: it refuses each declaration that differs
// from what is there, and says in what. So it is declared with a guess, which is corrected until it holds. That the thing
// exists is asked first, passively; a guess that holds changes nothing. What a policy sets is not seen.

// inequivalent is how RabbitMQ refuses a declaration that differs from what is there.
var inequivalent = regexp.MustCompile(`inequivalent arg '([^']+)' for .* current is (?:the value )?'([^']*)'(?: of type '([^']+)')?`)

const mostGuesses = 16

// found is what a refusal tells: the argument or property, its value as text, and its type where it is an argument.
type found struct{ name, value, kind string }

// yes is the value of a property.
func (f *found) yes() bool { return f.value == "true" }

// field is the value of an argument. Numbers are compared whatever their width.
func (f *found) field() any {
	switch f.kind {
	case "longstr":
		return f.value
	case "bool":
		return f.yes()
	}
	if n, err := strconv.ParseInt(f.value, 10, 64); err == nil {
		return n
	}
	return f.value
}

// probe declares until the broker agrees. correct changes the declaration by what it said.
func probe(ctx context.Context, c *conn, declare wire.Method, correct func(found)) error {
	for range mostGuesses {
		ch, err := c.channel(ctx, nil)
		if err != nil {
			return err
		}
		_, err = ch.ask(ctx, declare)
		if err == nil {
			err = shut(ctx, ch)
			return err
		}
		said := inequivalent.FindStringSubmatch(err.Error())
		if !saidCode(err, 406) || said == nil {
			return err
		}
		correct(found{said[1], said[2], said[3]})
	}
	return fmt.Errorf("the broker does not tell what it has: %d declarations differed", mostGuesses)
}

// shut closes a channel that is of no more use.
func shut(ctx context.Context, ch *channel) error {
	_, err := call[*wire.ChannelCloseOk](ctx, ch, &wire.ChannelClose{Code: 200})
	ch.c.drop(ch)
	return err
}

// inspect learns what an exchange is.
func (b *Broker) inspect(ctx context.Context, c *conn, name string) (brokers.Exchange, error) {
	if err := exists(ctx, c, name); err != nil {
		return brokers.Exchange{}, err
	}
	if name == "" {
		return brokers.Exchange{Type: "direct", Durable: true}, nil
	}
	guess := &wire.ExchangeDeclare{Exchange: name, Type: "direct", Durable: true}
	err := probe(ctx, c, guess, func(f found) {
		switch f.name {
		case "type":
			guess.Type = f.value
		case "durable":
			guess.Durable = f.yes()
		case "auto_delete":
			guess.AutoDelete = f.yes()
		case "internal":
			guess.Internal = f.yes()
		default:
			guess.Arguments = guess.Arguments.With(f.name, f.field())
		}
	})
	x := brokers.Exchange{Name: name, Type: guess.Type, Durable: guess.Durable, AutoDelete: guess.AutoDelete, Internal: guess.Internal, Arguments: brokers.Arguments{}}
	for _, f := range guess.Arguments {
		x.Arguments[f.Key] = f.Value
	}
	x.Alternate = text(x.Arguments["alternate-exchange"])
	return x, err
}

// inspectQueue learns what a queue is.
func (b *Broker) inspectQueue(ctx context.Context, c *conn, name string) (brokers.Queue, error) {
	ch, err := c.channel(ctx, nil)
	if err != nil {
		return brokers.Queue{}, err
	}
	_, err = call[*wire.QueueDeclareOk](ctx, ch, &wire.QueueDeclare{Queue: name, Passive: true})
	if saidCode(err, 404) {
		return brokers.Queue{}, noQueue(name)
	}
	if err == nil {
		err = shut(ctx, ch)
	}
	if err != nil {
		return brokers.Queue{}, err
	}
	guess := &wire.QueueDeclare{Queue: name, Durable: true}
	err = probe(ctx, c, guess, func(f found) {
		switch f.name {
		case "durable":
			guess.Durable = f.yes()
		case "auto_delete":
			guess.AutoDelete = f.yes()
		case "exclusive":
			guess.Exclusive = f.yes()
		default:
			guess.Arguments = guess.Arguments.With(f.name, f.field())
		}
	})
	x := apiQueue{Name: name, Durable: guess.Durable, AutoDelete: guess.AutoDelete, Exclusive: guess.Exclusive, Arguments: map[string]any{}}
	for _, f := range guess.Arguments {
		x.Arguments[f.Key] = f.Value
	}
	return x.queue(c.version), err
}
