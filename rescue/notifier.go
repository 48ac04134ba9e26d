package rescue

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Defaults of the panic path.
const (
	// DefaultPatience is how long other CPUs have to stop in.
	DefaultPatience = 100 * time.Millisecond
	// DefaultBudget is how long a notifier has.
	DefaultBudget = 10 * time.Millisecond
	// DefaultLoopLimit is how many panics in a row are rescued.
	DefaultLoopLimit = 3
	// informationBudget is that of each item of Information: the registers of many
	// CPUs, on a virtual one that waits for its turn meanwhile.
	informationBudget = 10 * DefaultBudget
	// listBudget is how long the notifiers of a list have together.
	listBudget = time.Second
)

// Notifier is a function that is called when the host panics. It is a function
// of its package and no closure, and runs as Go does, but for what needs the
// runtime: it must not allocate, grow its stack beyond 8 KiB, panic, make system
// calls, take locks, store pointers to memory of Go's, or touch what may not be
// mapped (a global of zeros that nobody has written yet). Where it does, it faults,
// and is cut off. It must write to nothing but the message buffer (its notice's
// Output) and devices: the host's memory is evidence.
type Notifier struct {
	// Name is for filters and for what is told of it: 1 to 16 bytes, no other's.
	Name string
	// List says when it is called. See handoff.NotifierList.
	List handoff.NotifierList
	Run  func(*handoff.Notice)
	// Budget is how long it has; 0 = DefaultBudget. Where it has not returned
	// then it is cut off.
	Budget time.Duration
	// LoopFree says that it ends by itself. On a host without a timer that could
	// end it, only such notifiers are called before the hand-off.
	LoopFree bool
	// Item is for its notice.
	Item uint16
}

// Level says which lists of notifiers are called before the hand-off. The others
// are called where there is none.
type Level int

// Levels. Each contains those before it.
const (
	// LevelDefault is the hypervisor's, and the informational ones where a
	// message buffer, which goes into the dump, takes what they print.
	LevelDefault Level = iota
	LevelNone
	LevelHypervisor
	LevelInformational // only where there is a message buffer
	LevelPreReboot
	LevelAll
)

// lists is a bit for each list.
func (l Level) lists(messages bool) (uint32, error) {
	lists := map[Level]uint32{
		LevelDefault: 0b11, LevelNone: 0, LevelHypervisor: 0b1, LevelInformational: 0b11, LevelPreReboot: 0b111, LevelAll: 0b1111,
	}
	mask, ok := lists[l]
	if !ok {
		return 0, fmt.Errorf("level %d of notifiers: %w", l, ErrConfig)
	}
	if !messages {
		mask &^= 1 << handoff.ListInformational
	}
	return mask, nil
}

// Information is what is printed to the message buffer before the hand-off, a bit
// an item. Each item is an informational notifier.
type Information uint32

// Items, of 100 ms at most each. What a kernel does not know is left out.
const (
	InformationGoroutine  Information = 1 << iota // what the panic is, and the calls of what panicked
	InformationRegisters                          // of every CPU that has saved them, and their calls
	InformationGoroutines                         // all goroutines
	InformationMemory                             // memory statistics
	InformationTimers                             // the kernel's threads and what they wait for
	InformationRecords                            // the fault record, and how many panics there were in a row

	// InformationDefault is what 0 stands for.
	InformationDefault = InformationGoroutine | InformationRegisters
	// InformationNone is nothing.
	InformationNone Information = 1 << 31
	// InformationAll is everything.
	InformationAll Information = 1<<6 - 1
)

var informationNames = [...]string{"goroutine", "registers", "goroutines", "memory", "timers", "records"}

// informers are the notifiers of the items that the kernel knows.
func (i Information) informers(m *handoff.PanicMachine) []Notifier {
	if i == 0 {
		i = InformationDefault
	}
	var all []Notifier
	for item, name := range informationNames {
		run := m.Inform
		known := run != nil && m.Items>>item&1 != 0
		if InformationRecords == 1<<item {
			run, known = informOfRecords, true
		}
		if i>>item&1 != 0 && i&InformationNone == 0 && known {
			all = append(all, Notifier{
				Name: name, List: handoff.ListInformational, Run: run, Budget: informationBudget,
				LoopFree: true, // its loops are bounded
				Item:     uint16(item),
			})
		}
	}
	return all
}

// notifiers are all that are to be called, without those that are filtered.
func (a *arming) notifiers() ([]Notifier, error) {
	all := append(append(a.ramoopsNotifier(), a.Notifiers...), a.Information.informers(&a.facts.Panic)...)
	names := map[string]bool{}
	for i := range all {
		n := &all[i]
		switch {
		case n.Name == "" || len(n.Name) > handoff.MaxNotifierName:
			return nil, fmt.Errorf("notifier %q: a name of 1 to %d bytes is required: %w", n.Name, handoff.MaxNotifierName, ErrConfig)
		case names[n.Name]:
			return nil, fmt.Errorf("notifier %q: there are two: %w", n.Name, ErrConfig)
		case n.Run == nil || n.List >= handoff.NotifierLists || n.Budget < 0:
			return nil, fmt.Errorf("notifier %q: no function, or list %d, or budget %v: %w", n.Name, n.List, n.Budget, ErrConfig)
		}
		names[n.Name] = true
	}
	for _, name := range a.SkipNotifiers {
		if !names[name] && name != "ramoops" && !slices.Contains(informationNames[:], name) {
			return nil, fmt.Errorf("notifier %q is to be skipped, and there is none: %w", name, ErrConfig)
		}
	}
	all = slices.DeleteFunc(all, func(n Notifier) bool { return slices.Contains(a.SkipNotifiers, n.Name) })
	if len(all) > handoff.MaxNotifiers {
		return nil, fmt.Errorf("%d notifiers, at most %d: %w", len(all), handoff.MaxNotifiers, ErrConfig)
	}
	return all, nil
}
