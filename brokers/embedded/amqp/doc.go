// Package amqp is an AMQP 0-9-1 broker inside the process, for development: real enough that an application cannot
// tell it from RabbitMQ. It follows the AMQP 0-9-1 specification, RabbitMQ's extensions and errata, and the behaviour
// of RabbitMQ 4.0, error texts included. What it does not do it refuses with AMQP's own error.
//
// # How it works
//
// A conn is one client. Its reader parses frames and runs the methods of all its channels in order; its writer sends
// what gathers in its outbox. There are no other goroutines per client and none per channel, queue or message.
//
// A publish goes straight through: the reader finds the queues (a channel remembers routes until the topology
// changes), and each queue, under its mutex, hands the message to a consumer that can take one, encoding the frames
// into that connection's outbox. A consumer that cannot take more (prefetch, a slow connection) is parked and comes
// back when it can, so a slow client costs nothing but its own queue's growth. Writers are woken when a reader has
// worked through the input that arrived at once, so bursts become few system calls. Confirms are encoded when the
// writer is about to send, so one ack stands for many.
//
// Locks are taken in this order: vhost, queue, channel, outbox or log. What a queue has to do without its mutex (dead
// letters, trace messages) is put off and done in order when it is released.
//
// A message is immutable and shared by its queues; an entry is its place in one of them. With a folder, persistent
// messages in durable queues go to a log (package store) that syncs once for all who wait, and confirms come after
// that. The bodies of deep queues leave memory for the same log. Publishers that outrun their consumers are slowed
// down; at the memory limit they wait, and clients that can are told by connection.blocked.
//
// # What is different from RabbitMQ
//
// There is one node. Quorum queues are queues with a delivery limit, streams are kept on one node and their offsets
// begin anew after a restart. There are no policies, plugins, TLS or other protocols, and no exchange types beside
// direct, fanout, topic and headers. Statistics know the current rate but no history.
package amqp
