// Package stream is the shop's way to Kafka: the log of everything that happened to orders.
package stream

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic has one record an event, keyed by order, so that the events of an order stay in order.
const (
	Topic      = "order-events"
	partitions = 3
)

// open returns a client for a topic that is there. When the topic is replaced the client is of no more
// use: it remembers the topic's id, and a broker that lost its data gives a new one.
func open(ctx context.Context, brokers []string, opts ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...))...)
	if err != nil {
		return nil, err
	}
	if err := createTopic(ctx, client); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// createTopic creates the topic where it is missing.
func createTopic(ctx context.Context, client *kgo.Client) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = Topic, partitions, 1
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		err = errors.Join(err, kerr.ErrorForCode(t.ErrorCode))
	}
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}
