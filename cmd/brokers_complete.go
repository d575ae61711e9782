package cmd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msdev/brokers"
)

// completionPatience is how long a shell waits for the names of what brokers hold.
const completionPatience = 2 * time.Second

// sourceGroup is a consumer group, which is no source of messages, among what is completed.
const sourceGroup = brokers.SourceKind("group")

// completes completes the names of what the brokers of the running session hold: as arguments, up to the last one (0: all of
// them). Where no session runs, or it does not answer in time, there is nothing to complete.
func (a *app) completes(last int, kinds ...brokers.SourceKind) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
		if last > 0 && len(given) >= last {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.namesLike(c.Context(), word, kinds), cobra.ShellCompDirectiveNoFileComp
	}
}

// targets completes the places that messages can be sent to.
func (a *app) targets(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return a.namesLike(c.Context(), word, []brokers.SourceKind{brokers.SourceQueue, brokers.SourceExchange, brokers.SourceTopic}), cobra.ShellCompDirectiveNoFileComp
}

// completesTo completes the flag --to of a verb.
func (a *app) completesTo(c *cobra.Command) {
	_ = c.RegisterFlagCompletionFunc("to", a.targets) // fails where there is no such flag, or twice the same
}

// sourcesOrFiles completes places that messages are read from, and files where none is called that.
func (a *app) sourcesOrFiles(c *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.completes(1, brokers.SourceQueue, brokers.SourceTopic)(c, given, word)
	if len(given) == 0 {
		directive = cobra.ShellCompDirectiveDefault
	}
	return names, directive
}

// bindable completes what is bound, and then the exchange that it is bound to.
func (a *app) bindable(kind brokers.SourceKind) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(given) == 1 {
			return a.completes(2, brokers.SourceExchange)(c, given, word)
		}
		return a.completes(1, kind)(c, given, word)
	}
}

// namesLike are the addresses of these kinds that begin with a word: bare names, or in the form that the word has begun.
func (a *app) namesLike(ctx context.Context, word string, kinds []brokers.SourceKind) []string {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	client, err := a.dial(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = client.Close() }() // nothing was changed
	infos, err := client.Brokers(ctx)
	if err != nil {
		return nil
	}
	all := make([]brokers.Broker, len(infos))
	for i, info := range infos {
		all[i] = client.Broker(info)
	}
	set, err := ask(ctx, all)
	if err != nil {
		return nil
	}
	return set.addresses(word, kinds)
}

// addresses are what begins with a word, of all that brokers of the set hold.
func (s *brokerSet) addresses(word string, kinds []brokers.SourceKind) []string {
	var found []string
	for _, b := range s.all {
		for _, kind := range kinds {
			for _, name := range b.names(kind) {
				for _, form := range []string{name, string(kind) + ":" + name, b.info.Name + "/" + string(kind) + ":" + name} {
					if name != "" && strings.HasPrefix(form, word) {
						found = append(found, form)
						break // the shortest that goes on from the word
					}
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
