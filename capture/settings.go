package capture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// Finish says what happens when the dump is done.
type Finish uint8

// Ways to finish. The zero value is to reset.
const (
	FinishReset Finish = iota
	FinishPowerOff
	FinishHalt
)

var finishes = [...]string{"reset", "poweroff", "halt"}

// String is the setting's value.
func (f Finish) String() string {
	if int(f) < len(finishes) {
		return finishes[f]
	}
	return fmt.Sprintf("finish %d", uint8(f))
}

// Settings are what the environment tells a rescue program. The variables are
// these names, or the same with "rescue." before them:
//
//	finish    reset (the default), poweroff, halt
//	compress  zstd (the default), none
//	progress  yes (the default), no
//	quiesce   PCI addresses (as in handoff.Target) of devices to silence, separated by commas
//	watchdog  how to pat the host's watchdog: port or memory, address, width in bytes, value, separated by commas
type Settings struct {
	Finish Finish
	// Raw writes the dump as it is.
	Raw bool
	// Quiet prints no progress.
	Quiet bool
	// Quiesce are the devices to silence.
	Quiesce  []uint64
	Watchdog Watchdog
}

func defaultSettings() Settings { return Settings{} }

// ParseSettings reads settings. What is not understood is a problem, and the
// default counts.
func ParseSettings(e handoff.Environment) (s Settings, problems []string) {
	s = defaultSettings()
	lookup := func(name string) (value string, ok bool) {
		if value, ok = e.Lookup(name); !ok {
			value, ok = e.Lookup("rescue." + name)
		}
		return value, ok
	}
	choose := func(name string, values []string, set func(int)) {
		value, ok := lookup(name)
		if !ok {
			return
		}
		for i, v := range values {
			if v == value {
				set(i)
				return
			}
		}
		problems = append(problems, fmt.Sprintf("%s=%q: want one of %q", name, value, values))
	}
	choose("finish", finishes[:], func(i int) { s.Finish = Finish(i) })
	choose("compress", []string{"zstd", "none"}, func(i int) { s.Raw = i == 1 })
	choose("progress", []string{"yes", "no"}, func(i int) { s.Quiet = i == 1 })
	if text, ok := lookup("quiesce"); ok {
		for rest, more := text, true; more; {
			var word string
			word, rest, more = strings.Cut(rest, ",")
			address, err := strconv.ParseUint(word, 0, 64)
			if err != nil || len(s.Quiesce) == maxQuiesce {
				problems = append(problems, fmt.Sprintf("quiesce=%q: want up to %d numbers: %q", text, maxQuiesce, word))
				break
			}
			s.Quiesce = append(s.Quiesce, address)
		}
	}
	if text, ok := lookup("watchdog"); ok {
		var err error
		if s.Watchdog, err = parseWatchdog(text); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return s, problems
}

// maxQuiesce bounds the devices to silence.
const maxQuiesce = 256
