package main

import (
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// notifiers are those of this host: it tells the hypervisor, and says so on the
// console. The command line's notify=NAME,NAME adds some that do what a notifier
// should not.
func notifiers(environment handoff.Environment) []rescue.Notifier {
	all := []rescue.Notifier{
		{Name: "pvpanic", List: handoff.ListHypervisor, Run: notifyHypervisor, LoopFree: true},
		{Name: "hello", List: handoff.ListInformational, Run: sayHello, LoopFree: true},
		{Name: "goodbye", List: handoff.ListPreReboot, Run: sayGoodbye, LoopFree: true},
	}
	bad := map[string]func(*handoff.Notice){
		"fault": faultyNotifier, "hang": hangingNotifier, "panic": panickingNotifier,
		"allocate": allocatingNotifier, "deep": deepNotifier, "table": tableNotifier,
		"scribble": scribblingNotifier,
	}
	for name := range strings.SplitSeq(lookup(environment, "notify", ""), ",") {
		if run := bad[name]; run != nil {
			budget := 100 * time.Millisecond // a virtual CPU may wait for its turn meanwhile
			if name == "hang" {
				budget = 2 * time.Millisecond
			}
			all = append(all, rescue.Notifier{Name: name, List: handoff.ListHypervisor, Run: run, Budget: budget})
		}
	}
	return all
}

func sayHello(n *handoff.Notice) { n.Print("host: this goes into the dump\n") }

func sayGoodbye(n *handoff.Notice) { n.Print("host: there was no hand-off\n") }

// faultyNotifier touches memory that is not there.
func faultyNotifier(*handoff.Notice) { *nowhere = 1 }

// hangingNotifier does not end.
func hangingNotifier(*handoff.Notice) { spin() }

// panickingNotifier panics as Go does: with no goroutine to unwind.
func panickingNotifier(n *handoff.Notice) {
	if n.Context != nil {
		panic("a notifier's own panic")
	}
}

var kept []byte

// allocatingNotifier needs the heap.
func allocatingNotifier(n *handoff.Notice) {
	if kept = make([]byte, 64+n.Item); len(kept) == 0 {
		kept = nil
	}
}

// deepNotifier needs more stack than there is.
func deepNotifier(*handoff.Notice) { _ = recursion(nil) }

// scribblingNotifier writes to what is evidence.
func scribblingNotifier(*handoff.Notice) { heart.Add(1) }

// tableNotifier does as much as a notifier may: it calls, indexes, compares
// strings, and prints.
func tableNotifier(n *handoff.Notice) {
	words := [...]string{"one", "two", "three"}
	for i := range words {
		if words[i] == "two" {
			n.Print("host: notifier ")
			n.PrintHex(uint64(n.Context.CPU))
			n.Print(" says ")
			n.Print(words[i])
			n.Print("\n")
		}
	}
}
