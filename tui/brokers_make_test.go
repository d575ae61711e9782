package tui

import (
	"strings"
	"testing"

	"msdev/brokers"
)

// TestFormsMakeThings fills in each form, and looks at what the broker was asked for.
func TestFormsMakeThings(t *testing.T) {
	for _, c := range []struct {
		name  string
		row   string // filter of the queues page
		steps func(s *screen)
		want  func(brokers.Change) bool
	}{
		{"a queue with dead letters", "reports", func(s *screen) {
			s.press("c").sees("On rabbitmq", "create").press("enter").sees("it needs a name")
			s.press("tab").typed("invoices").press("tab", "space").sees("quorum").press("tab").typed("exchange:dead/late").press("tab").typed("nonsense").press("enter").sees(`"nonsense" is no time to live`)
			for range "nonsense" {
				s.press("backspace")
			}
			s.typed("10m").press("tab").typed("500").press("enter")
		}, func(c brokers.Change) bool {
			q := c.Queue
			return c.Kind == brokers.CreateQueue && q.Name == "invoices" && q.Type == brokers.QuorumQueue && q.Durable &&
				*q.DeadExchange == "dead" && *q.DeadKey == "late" && *q.MessageTTL == 600_000 && *q.MaxLength == 500
		}},
		{"an exchange", "dead", func(s *screen) {
			s.press("G", "c").sees("exchange  2 of 3").press("tab").typed("billing").press("tab", "space", "enter")
		}, func(c brokers.Change) bool {
			return c.Kind == brokers.CreateExchange && c.Exchange.Name == "billing" && c.Exchange.Type == "direct" && c.Exchange.Durable
		}},
		{"a binding to the selected queue", "reports", func(s *screen) {
			s.press("c", "left").sees("from exchange").press("tab").typed("orders").press("tab", "tab").typed("order.*").press("enter")
		}, func(c brokers.Change) bool {
			return c.Kind == brokers.Bind && c.Binding.Source == "orders" && c.Binding.To == "reports" && c.Binding.Kind == brokers.SourceQueue && c.Binding.RoutingKey == "order.*"
		}},
		{"no more of a binding", "mails", func(s *screen) {
			s.press("u").sees("orders order.# → queue mails").press("enter").sees("Unbind orders order.#").press("u")
		}, func(c brokers.Change) bool {
			return c.Kind == brokers.Unbind && c.Binding.To == "mails" && c.Binding.RoutingKey == "order.#"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newBrokers()
			s := newScreen(t, src, 120, 36).press("8", "/").typed(c.row).press("enter")
			c.steps(s)
			if all := src.brokers[0].changes; len(all) != 1 || !c.want(all[0]) {
				t.Errorf("changed %+v\n%s", all, s.text())
			}
			s.sees(": done")
		})
	}
}

func TestFormsOfTopics(t *testing.T) {
	src := newBrokers()
	s := newScreen(t, src, 120, 36).press("8", "/").typed("order-events").press("enter", "c")
	s.sees("Create a topic on kafka").typed("prices").press("tab").typed("x").press("enter").sees(`"x" is no number of partitions`)
	s.press("backspace").typed("3").press("tab", "tab").typed("cleanup.policy=compact").press("enter").sees("create topic prices: done")
	s.press("e").sees("Alter topic order-events").press("enter").sees("nothing is changed")
	s.press("backspace").typed("1").press("enter").sees("Kafka takes none away").press("backspace").typed("4").press("tab").typed("retention.ms=").press("enter")
	s.sees("Keys go to other partitions").press("y").sees("alter topic order-events: done")
	all := src.brokers[1].changes
	if len(all) != 2 || all[0].Topic.Partitions != 3 || *all[0].Topic.Configs["cleanup.policy"] != "compact" || all[1].Topic.Partitions != 4 {
		t.Fatalf("changed %+v", all)
	}
	if v, there := all[1].Topic.Configs["retention.ms"]; !there || v != nil {
		t.Errorf("retention.ms is not the broker's: %v", v)
	}
	s.press("esc", "/").typed("shipments").press("enter", "e").sees("RabbitMQ changes no")
}

// TestOtherBrokersAreAskedFor makes nothing on a broker of somebody else before its name is typed.
func TestOtherBrokersAreAskedFor(t *testing.T) {
	src := newBrokers()
	src.brokers[0].info.Own = false
	s := newScreen(t, src, 120, 36).press("8", "/").typed("reports").press("enter", "c", "tab").typed("x").press("enter")
	s.sees("type its name")
	if len(src.brokers[0].changes) != 0 {
		t.Fatal("it was made without the name")
	}
	s.typed("rabbitmq").press("enter").sees("create queue x: done")
	s.press("esc", "3", "k", "k", "k", "k", "C").typed("queue:reports").press("enter").sees("type its name").press("esc")
	if len(src.brokers[0].sent) != 0 {
		t.Error("it was sent without the name")
	}
}

func TestCopyOne(t *testing.T) {
	src := newBrokers()
	s := newScreen(t, src, 120, 30).press("3", "k", "k", "k", "k", "C").typed("nowhere").press("enter").sees("is no target")
	s.press("esc", "C").typed("kafka/topic:order-events").press("enter").sees("1 message confirmed at kafka/topic:order-events")
	if len(src.brokers[1].sent) != 1 {
		t.Errorf("sent %+v", src.brokers[1].sent)
	}
	s.press("C").typed("exchange:orders/nowhere").press("enter").sees("no queue took it")
	s.press("D").sees("a message that has passed").press("M").sees("a message that has passed")
}

// TestTopicsKeepTheirRecords refuses to take a record out of a topic.
func TestTopicsKeepTheirRecords(t *testing.T) {
	newScreen(t, newBrokers(), 120, 30).press("8", "/").typed("order-events").press("enter", "p", "D").
		sees("a topic keeps each record until its time is over")
}

// TestFirehose asks before it is opened, says that it is open, and closes it again.
func TestFirehose(t *testing.T) {
	src := newBrokers()
	s := newScreen(t, src, 160, 30).press("3", "F").sees("Open the firehose?", "about a third").press("esc").seesNot("live, firehose")
	s.press("F", "F").sees("all messages · live, firehose")
	if on := <-s.app.book.wishes; !on {
		t.Error("it is wished closed")
	}
	s.press("F").sees("the firehose is off again").seesNot("live, firehose")
	if on := <-s.app.book.wishes; on {
		t.Error("it is wished open")
	}
	src.brokers[0].info.Manage = false
	newScreen(t, src, 160, 30).press("3", "F").sees("rabbitmq-plugins enable rabbitmq_management")
	src.brokers = src.brokers[1:]
	newScreen(t, src, 160, 30).press("3", "F").sees("only a RabbitMQ of this project has a firehose")
}

// TestSingleMessages moves and deletes one message of a queue of a broker that runs, purges the first of another and puts
// them back.
func TestSingleMessages(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	b := startBroker(t)
	for _, name := range []string{"work", "aside"} {
		if err := b.(brokers.Admin).Apply(t.Context(), brokers.Change{Kind: brokers.CreateQueue, Queue: brokers.Queue{Name: name, Durable: true}}); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, b, "work", 6)
	src := newShop()
	src.real = b
	src.brokers = []*plainBroker{{info: b.Info()}}
	s := newScreen(t, src, 160, 40).press("8", "/").typed("work").press("enter", "p").sees("6 messages", "body 5")
	s.press("g", "j", "j", "D").sees(`Delete 1 message of queue "work"?`, "2 messages before it are taken and put back")
	s.press("D").sees("1 message deleted; 2 before were taken and put back", "5 messages").seesNot("body 2")
	s.press("g", "M").typed("queue:aside").press("enter").sees(`Move 1 message of queue "work" to queue:aside?`, "confirmed there")
	s.press("M").sees("1 message moved to queue:aside", "4 messages").seesNot("body 0")
	s.press("g", "M").typed("exchange:amq.direct/nobody").press("enter", "M").sees("it stays where it is", "4 messages")
	if w, a := ready(t, b, "work"), ready(t, b, "aside"); w != 4 || a != 1 {
		t.Errorf("%d and %d are there", w, a)
	}
	if !strings.Contains(strings.Join(src.notes, "\n"), "1 message of queue work deleted") {
		t.Errorf("the journal has %q", src.notes)
	}
	s.press("esc", "P", "n").typed("none").press("enter").sees(`"none" is no number`)
	for range "none" {
		s.press("backspace")
	}
	s.typed("3").press("enter").sees("The first 3 messages are removed").press("P").sees("3 messages removed, saved in")
	if n := ready(t, b, "work"); n != 1 {
		t.Errorf("%d are left", n)
	}
	s.press("U").sees("Put back what a purge of queue", ".jsonl.zst").press("enter").sees("3 messages confirmed to queue")
	if n := ready(t, b, "work"); n != 4 {
		t.Errorf("%d are there again", n)
	}
	s.press("esc", "/").typed("aside").press("enter", "U").sees(`no purge of queue "aside" has left a backup`)
}
