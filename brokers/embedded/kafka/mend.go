package kafka

import (
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// mended tells whether answers to requests of a key are to be mended.
func mended(key kmsg.Key, advertise string) bool {
	switch key {
	case kmsg.Metadata, kmsg.FindCoordinator, kmsg.DescribeCluster:
		return advertise != ""
	case kmsg.CreateTopics, kmsg.DescribeTopicPartitions:
		return true
	}
	return false
}

// mend has an answer name the broker as the client reaches it, and fills lists that the cluster leaves null: the protocol
// allows it, and Java's admin client fails at it.
func mend(resp kmsg.Response, advertise string) {
	host, port := place(advertise)
	switch r := resp.(type) {
	case *kmsg.MetadataResponse:
		for i := range r.Brokers {
			r.Brokers[i].Host, r.Brokers[i].Port = host, port
		}
	case *kmsg.DescribeClusterResponse:
		for i := range r.Brokers {
			r.Brokers[i].Host, r.Brokers[i].Port = host, port
		}
	case *kmsg.FindCoordinatorResponse:
		if r.Host != "" { // otherwise it is an error
			r.Host, r.Port = host, port
		}
		for i := range r.Coordinators {
			if r.Coordinators[i].Host != "" {
				r.Coordinators[i].Host, r.Coordinators[i].Port = host, port
			}
		}
	case *kmsg.CreateTopicsResponse:
		for i := range r.Topics {
			fill(&r.Topics[i].Configs)
		}
	case *kmsg.DescribeTopicPartitionsResponse:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				fill(&r.Topics[i].Partitions[j].EligibleLeaderReplicas)
				fill(&r.Topics[i].Partitions[j].LastKnownELR)
			}
		}
	}
}

// fill makes a list that is null an empty one.
func fill[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

// place splits an advertised address.
func place(advertised string) (string, int32) {
	host, port, err := net.SplitHostPort(advertised)
	if err != nil {
		return advertised, 0
	}
	n, _ := strconv.ParseInt(port, 10, 32) // what is no number is 0, as the cluster itself says it
	return host, int32(n)
}
