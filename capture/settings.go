package capture

import (
	"fmt"

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
type Settings struct {
	Finish Finish
	// Raw writes the dump as it is.
	Raw bool
	// Quiet prints no progress.
	Quiet bool
}

func defaultSettings() Settings { return Settings{} }

// ParseSettings reads settings. What is not understood is a problem, and the
// default counts.
func ParseSettings(e handoff.Environment) (s Settings, problems []string) {
	s = defaultSettings()
	choose := func(name string, values []string, set func(int)) {
		value, ok := e.Lookup(name)
		if !ok {
			value, ok = e.Lookup("rescue." + name)
		}
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
	return s, problems
}
