package cmd

import "msdev/brokers"

// texts are problems as lists print them.
func texts(problems []brokers.Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.Text)
	}
	return all
}

// bindings is how many bindings lead out of an exchange.
func bindings(t *brokers.Topology, exchange string) int {
	n := 0
	for i := range t.Bindings {
		if t.Bindings[i].Source == exchange {
			n++
		}
	}
	return n
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
