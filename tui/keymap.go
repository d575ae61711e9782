package tui

import (
	"fmt"
	"slices"
	"strings"
)

// action is what a key, a click or a line of the palette asks for.
type action string

// scope is where a binding works.
type scope string

const (
	everywhere scope = "everywhere"
	onServices scope = "services and graph" // a service is selected
	onGraph    scope = "graph"
	onLines    scope = "logs, messages and events"
	onLogs     scope = "logs"
	onMessages scope = "messages"
	onQueues   scope = "queues"
	onReplay   scope = "replay"
)

// The actions. Their names are what the settings file calls them.
const (
	actUp          action = "up"
	actDown        action = "down"
	actLeft        action = "left"
	actRight       action = "right"
	actTop         action = "top"
	actBottom      action = "bottom"
	actHalfUp      action = "half-up"
	actHalfDown    action = "half-down"
	actPageUp      action = "page-up"
	actPageDown    action = "page-down"
	actEnter       action = "open"
	actBack        action = "back"
	actPane        action = "next-pane"
	actZoom        action = "zoom"
	actMark        action = "mark"
	actFilter      action = "filter"
	actNextMatch   action = "next-match"
	actPrevMatch   action = "previous-match"
	actSortNext    action = "sort-next"
	actSortPrev    action = "sort-previous"
	actFollow      action = "follow"
	actPause       action = "pause-view"
	actTimes       action = "times"
	actCopy        action = "copy"
	actEdit        action = "edit"
	actPalette     action = "palette"
	actHelp        action = "help"
	actLeave       action = "leave"
	actDetach      action = "detach"
	actStopAll     action = "stop-all"
	actSuspend     action = "suspend"
	actRedraw      action = "redraw"
	actLogs        action = "logs"
	actInfo        action = "details"
	actRestart     action = "restart"
	actStartStop   action = "stop"
	actKill        action = "kill"
	actBuild       action = "build"
	actManual      action = "manual"
	actReloads     action = "reloads"
	actShell       action = "shell"
	actBrowser     action = "browser"
	actGraphTree   action = "tree"
	actWrap        action = "wrap"
	actRaw         action = "raw"
	actFold        action = "fold"
	actLevel       action = "level"
	actSeek        action = "go-to-time"
	actAllLogs     action = "all-services"
	actNextLogs    action = "next-service"
	actPrevLogs    action = "previous-service"
	actMessages    action = "messages"
	actAllMessages action = "all-messages"
	actBody        action = "body"
	actDiff        action = "compare"
	actMarkAll     action = "mark-all"
	actReplay      action = "replay"
	actPeek        action = "peek"
	actPurge       action = "purge"
	actDelete      action = "delete"
	actReset       action = "reset"
	actCreate      action = "create"
	actAlter       action = "alter"
	actUnbind      action = "unbind"
	actUndo        action = "undo"
	actMove        action = "move"
	actCopyTo      action = "copy-to"
	actFirehose    action = "firehose"
	actHidden      action = "hidden"
	actTarget      action = "target"
	actOther       action = "other-target"
	actRate        action = "rate"
	actPolicy      action = "headers"
	actHold        action = "hold"
	actStep        action = "step"
	actPagePrefix         = "page-" // and the page's name: "page-logs"
)

// binding is one action with its keys and its words. The key line, the help, the palette and the settings file are all
// made from these.
type binding struct {
	action action
	keys   []string
	in     scope
	label  string // in the key line
	help   string // in the help and the palette; empty: not shown there
}

// bindings is the table of all keys. Where two bindings share a key, the one for the narrower scope wins.
func bindings(pages []string) []binding {
	table := []binding{
		{actLogs, []string{"l"}, onServices, "logs", "show the logs"},
		{actInfo, []string{"i"}, onServices, "details", "details instead of the logs"},
		{actRestart, []string{"r"}, onServices, "restart", "restart"},
		{actStartStop, []string{"s"}, onServices, "stop", "stop what runs, start what does not"},
		{actBuild, []string{"b"}, onServices, "build", "reload now: build again, and replace what runs"},
		{actManual, []string{"w"}, onServices, "by hand", "reload by hand alone, or whenever files are saved again"},
		{actKill, []string{"K"}, onServices, "kill", "kill at once"},
		{actMessages, []string{"m"}, onServices, "messages", "show the messages that it publishes and consumes"},
		{actShell, []string{"x"}, onServices, "shell", "open a shell in the service"},
		{actBrowser, []string{"o"}, onServices, "open", "open a published port in the browser"},

		{actGraphTree, []string{"v"}, onGraph, "tree", "switch between the graph and a tree"},
		{actLeft, []string{"left", "h"}, onGraph, "", "go to what this service needs"},
		{actRight, []string{"right", "l"}, onGraph, "", "go to what needs this service"},

		{actLevel, []string{"L"}, onLogs, "level", "least level: all, debug, info, warn, error"},
		{actWrap, []string{"w"}, onLogs, "wrap", "wrap long lines, or cut them"},
		{actRaw, []string{"R"}, onLogs, "raw", "lines as written, or taken apart"},
		{actFold, []string{"F"}, onLogs, "fold", "fold and unfold stack traces"},
		{actAllLogs, []string{"a"}, onLogs, "all", "show all services, or the last one again"},
		{actNextLogs, []string{"]"}, onLogs, "", "next service"},
		{actPrevLogs, []string{"["}, onLogs, "", "previous service"},
		{actReplay, []string{"R"}, onMessages, "replay", "send again: as it was, or edited, to where it was or elsewhere"},
		{actBody, []string{"v"}, onMessages, "body", "the body decoded, as it is, or in hex"},
		{actMarkAll, []string{"*"}, onMessages, "mark all", "mark all that show, as far as they were looked at; again: none"},
		{actDiff, []string{"="}, onMessages, "compare", "compare the two marked messages"},
		{actMove, []string{"M"}, onMessages, "move", "move a message out of its queue: send it elsewhere, and take it out once that is confirmed"},
		{actCopyTo, []string{"C"}, onMessages, "copy to", "send a copy elsewhere"},
		{actDelete, []string{"D"}, onMessages, "delete", "delete a message from its queue"},
		{actFirehose, []string{"F"}, onMessages, "firehose", "see everything of a broker at once, with who got what; it costs the broker some speed"},
		{actAllMessages, []string{"a"}, onMessages, "all", "show all messages, or the last part of them again"},

		{actMessages, []string{"m"}, onQueues, "messages", "show the messages that pass it"},
		{actPeek, []string{"p"}, onQueues, "look into it", "look at what is in the queue, or scroll the topic from any place"},
		{actReplay, []string{"R"}, onQueues, "redrive", "bring dead letters back to where they died"},
		{actPurge, []string{"P"}, onQueues, "purge", "remove what is in it, or the first of it, after a backup"},
		{actReset, []string{"r"}, onQueues, "reset", "set the offsets of a group, with its services stopped meanwhile"},
		{actUndo, []string{"U"}, onQueues, "undo", "put back what a purge has removed"},
		{actCreate, []string{"c"}, onQueues, "create", "create a queue, an exchange, a binding or a topic"},
		{actAlter, []string{"e"}, onQueues, "alter", "change the settings of a topic, or give it more partitions"},
		{actUnbind, []string{"u"}, onQueues, "unbind", "take a binding away"},
		{actDelete, []string{"D"}, onQueues, "delete", "delete it"},
		{actHidden, []string{"i"}, onQueues, "internals", "show what brokers make for themselves, too"},

		{actTarget, []string{"t"}, onReplay, "target", "send to the next target"},
		{actOther, []string{"o"}, onReplay, "elsewhere", "send to a target that you name"},
		{actRate, []string{"r"}, onReplay, "rate", "at once, at a rate, in the messages' own time"},
		{actPolicy, []string{"h"}, onReplay, "headers", "which headers are kept"},
		{actHold, []string{"p"}, onReplay, "hold", "hold it, or let it go on"},
		{actStep, []string{"s"}, onReplay, "step", "send one, and hold"},

		{actSeek, []string{"@"}, onLines, "go to time", "go to a time: 12:04, 12:04:31, -5m"},
		{actFollow, []string{"f"}, everywhere, "follow", "follow the newest lines, or stand still"},
		{actLeft, []string{"left", "h"}, onLines, "", "scroll left"},
		{actRight, []string{"right", "l"}, onLines, "", "scroll right"},

		{actUp, []string{"up", "k"}, everywhere, "", "up"},
		{actDown, []string{"down", "j"}, everywhere, "", "down"},
		{actTop, []string{"g", "home"}, everywhere, "", "first"},
		{actBottom, []string{"G", "end"}, everywhere, "", "last"},
		{actHalfUp, []string{"ctrl+u"}, everywhere, "", "half a screen up"},
		{actHalfDown, []string{"ctrl+d"}, everywhere, "", "half a screen down"},
		{actPageUp, []string{"pgup", "ctrl+b"}, everywhere, "", "a screen up"},
		{actPageDown, []string{"pgdown", "ctrl+f"}, everywhere, "", "a screen down"},
		{actEnter, []string{"enter"}, everywhere, "open", "open what is selected"},
		{actBack, []string{"esc"}, everywhere, "back", "one step back"},
		{actPane, []string{"tab"}, everywhere, "pane", "go to the other pane"},
		{actZoom, []string{"z"}, everywhere, "zoom", "give the pane the whole screen"},
		{actMark, []string{"space"}, everywhere, "mark", "mark; actions apply to all that is marked"},
		{actFilter, []string{"/"}, everywhere, "filter", "filter, or search"},
		{actNextMatch, []string{"n"}, everywhere, "next", "next match"},
		{actPrevMatch, []string{"N"}, everywhere, "previous", "previous match"},
		{actSortNext, []string{">"}, everywhere, "", "sort by the next column"},
		{actSortPrev, []string{"<"}, everywhere, "", "sort by the previous column"},
		{actReloads, []string{"W"}, everywhere, "reloads", "hold all reloads back, or let them go on"},
		{actPause, []string{"p"}, everywhere, "pause", "hold the picture still"},
		{actTimes, []string{"T"}, everywhere, "times", "times of day, or ages"},
		{actCopy, []string{"y"}, everywhere, "copy", "copy what is selected"},
		{actEdit, []string{"e"}, everywhere, "edit", "open the file that the line names in $EDITOR"},
		{actPalette, []string{":"}, everywhere, "do", "do anything, by name"},
		{actHelp, []string{"?"}, everywhere, "keys", "all keys"},
		{actDetach, []string{"d"}, everywhere, "detach", "leave the screen; everything runs on"},
		{actLeave, []string{"q"}, everywhere, "leave", "leave, and ask whether to stop everything"},
		{actStopAll, []string{"ctrl+c"}, everywhere, "", "stop everything and leave; twice kills"},
		{actSuspend, []string{"ctrl+z"}, everywhere, "", "go to the shell; fg comes back"},
		{actRedraw, []string{"ctrl+l"}, everywhere, "", "draw the screen anew"},
	}
	for _, name := range pages {
		key, title, _ := strings.Cut(name, " ")
		table = append(table, binding{action(actPagePrefix + title), []string{key}, everywhere, "", "go to " + title})
	}
	return table
}

// keymap finds the action of a key.
type keymap struct {
	table []binding
}

// newKeymap lays the person's own keys over the table. Keys that the person gives to an action are taken from others in
// the same scope.
func newKeymap(pages []string, own map[string][]string) (*keymap, error) {
	k := &keymap{table: bindings(pages)}
	for _, name := range sortedKeys(own) {
		found := false
		for i := range k.table {
			b := &k.table[i]
			if b.action == action(name) {
				found = true
				k.free(own[name], b.in)
				b.keys = own[name]
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown action %q\n%s", name, suggestion(name, k.names()))
		}
	}
	if len(k.key(actLeave)) == 0 && len(k.key(actStopAll)) == 0 && len(k.key(actDetach)) == 0 {
		return nil, fmt.Errorf("no key is left to leave the screen\nGive leave, detach or stop-all a key.")
	}
	return k, nil
}

func (k *keymap) free(keys []string, in scope) {
	for i := range k.table {
		b := &k.table[i]
		if b.in == in {
			b.keys = slices.DeleteFunc(slices.Clone(b.keys), func(key string) bool { return slices.Contains(keys, key) })
		}
	}
}

func (k *keymap) names() []string {
	var names []string
	for _, b := range k.table {
		if !slices.Contains(names, string(b.action)) {
			names = append(names, string(b.action))
		}
	}
	return names
}

// find returns the action of a key where these scopes hold, the narrowest first.
func (k *keymap) find(key string, scopes ...scope) action {
	for _, in := range append(scopes, everywhere) {
		for _, b := range k.table {
			if b.in == in && slices.Contains(b.keys, key) {
				return b.action
			}
		}
	}
	return ""
}

// key is the first key of an action as it is shown, empty where it has none.
func (k *keymap) key(a action) string {
	for _, b := range k.table {
		if b.action == a && len(b.keys) > 0 {
			return keyName(b.keys[0])
		}
	}
	return ""
}

func (k *keymap) binding(a action) binding {
	i := slices.IndexFunc(k.table, func(b binding) bool { return b.action == a })
	if i < 0 {
		return binding{action: a, label: string(a)}
	}
	return k.table[i]
}

// keyName is a key as people write it.
func keyName(key string) string {
	switch key {
	case "up":
		return "↑"
	case "down":
		return "↓"
	case "left":
		return "←"
	case "right":
		return "→"
	case "pgdown":
		return "pgdn"
	}
	return strings.Replace(key, "ctrl+", "ctrl-", 1)
}
