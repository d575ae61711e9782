// Command amqp measures our AMQP broker beside RabbitMQ 3.10 and 4.0, with the same client, in one run: how much is published and
// consumed, how long a message takes, how much memory it costs, and how soon a broker answers.
//
//	go run ./bench/amqp [-runs 3] [-seconds 2] [-quick]
//
// RabbitMQ runs in containers and is reached by their own addresses, with no proxy in between.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

func main() {
	runs := flag.Int("runs", 3, "runs of each; the median counts")
	seconds := flag.Float64("seconds", 2, "length of each run")
	quick := flag.Bool("quick", false, "256-byte messages only")
	serve := flag.String("serve", "", "be our broker, with data in this folder (used by the bench itself)")
	flag.Parse()
	var err error
	if *serve != "" {
		err = beBroker(*serve)
	} else {
		err = run(context.Background(), *runs, time.Duration(*seconds*float64(time.Second)), *quick)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, runs int, length time.Duration, quick bool) error {
	brokers, err := startAll(ctx)
	defer func() {
		for _, b := range brokers {
			b.stop()
		}
	}()
	if err != nil {
		return err
	}
	start, err := startTimes(max(5, runs))
	if err != nil {
		return err
	}
	fmt.Printf("Start to first connection of our broker, in a process that runs already: %.1f ms (goal ≤ 20 ms)\n\n", start.Seconds()*1000)
	heading(brokers)
	for _, l := range loads(quick) {
		if err := measure(ctx, brokers, l, runs, length); err != nil {
			return err
		}
	}
	fmt.Println()
	return latencies(ctx, brokers, runs, 2*length)
}

// load is one way to use a broker: as many publishers and consumers as queues, each with a connection of its own.
type load struct {
	queues, size         int
	confirms, persistent bool
	rate                 int // messages a second of each publisher; 0 is as many as it can
}

func (l load) String() string {
	text := fmt.Sprintf("%d B, %d queues", l.size, l.queues)
	if l.confirms {
		text += ", confirms and acks"
	}
	if l.persistent {
		text += ", persistent"
	}
	return text
}

func loads(quick bool) []load {
	var all []load
	for _, size := range []int{256, 1024} {
		for _, queues := range []int{1, 10, 100} {
			for _, confirms := range []bool{false, true} {
				for _, persistent := range []bool{false, true} {
					if size == 256 || !quick {
						all = append(all, load{queues: queues, size: size, confirms: confirms, persistent: persistent})
					}
				}
			}
		}
	}
	return all
}

func heading(brokers []*broker) {
	line, rule := "| consumed, messages/s |", "|---|"
	for _, b := range brokers {
		line += " " + b.name + " |"
		rule += "--:|"
	}
	fmt.Printf("%s ÷ best RabbitMQ | ours, most memory |\n%s--:|--:|\n", line, rule)
}

// measure gives every broker its turn in each run, so that what else the machine does meets all of them.
func measure(ctx context.Context, brokers []*broker, l load, runs int, length time.Duration) error {
	rates := make([][]float64, len(brokers))
	for range runs {
		for i, b := range brokers {
			r, err := drive(ctx, b, l, length)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", b.name, l, err)
			}
			rates[i] = append(rates[i], r.perSecond)
		}
	}
	row := "| " + l.String() + " |"
	best := 0.0
	for i := range brokers {
		m := median(rates[i])
		row += fmt.Sprintf(" %.0f |", m)
		if i > 0 {
			best = max(best, m)
		}
	}
	fmt.Printf("%s %.1f | %.0f MB |\n", row, median(rates[0])/best, float64(brokers[0].most)/1e6)
	brokers[0].most = 0
	return nil
}

// latencies measures what a message takes from the publisher to the consumer at 2,000 a second, and each broker's memory.
func latencies(ctx context.Context, brokers []*broker, runs int, length time.Duration) error {
	fmt.Println("| 256 B at 2,000/s | p50 | p99 | memory |\n|---|--:|--:|--:|")
	for _, l := range []load{{queues: 1, size: 256, rate: 2000}, {queues: 1, size: 256, rate: 2000, confirms: true, persistent: true}} {
		for _, b := range brokers {
			b.most = 0
			var half, most []time.Duration
			for range runs {
				r, err := drive(ctx, b, l, length)
				if err != nil {
					return err
				}
				half, most = append(half, r.at(0.5)), append(most, r.at(0.99))
			}
			fmt.Printf("| %s, %s | %.2f ms | %.2f ms | %.0f MB |\n", b.name, l, median(half).Seconds()*1000, median(most).Seconds()*1000, float64(b.most)/1e6)
		}
	}
	return nil
}

func median[T cmp.Ordered](list []T) T {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
