package arm64

import "github.com/seed64aab995/rescuekernel/machine"

// entryUnknown, entryUndefined and entryTrap are what stands for instructions
// that are not executed.
var (
	entryUnknown   = opcode{name: "(unknown)", run: operationUnknown, form: last}
	entryUndefined = opcode{name: "(undefined)", run: operationUndefined, form: last}
	entryTrap      = opcode{name: "(trapped)", run: operationVectorTrap, form: last}
)

// decode lowers a word. vectors says whether vector registers are enabled.
func decode(word uint32, ip uint64, has feature, vectors bool) inst {
	in := inst{word: word, ip: ip, width: 1, d: uint8(word & 31), n: uint8(word >> 5 & 31), m: uint8(word >> 16 & 31), a: uint8(word >> 10 & 31)}
	o := decoding.find(word)
	switch {
	case o == nil:
		o = &entryUnknown
	case o.needs&^has != 0:
		o = &entryUndefined
	case o.form&vector != 0 && !vectors:
		o = &entryTrap
	}
	in.entry, in.run, in.op = o, o.run, o.op
	if o.lower != nil && !o.lower(&in) {
		in.entry, in.run = &entryUndefined, operationUndefined
	}
	return in
}

// operationUnknown stops the machine: what the instruction does is not known
// here.
func operationUnknown(c *CPU, in *inst) bool {
	return c.stop(machine.Exit{Reason: machine.Failed, Detail: "an instruction that is not emulated"})
}

func operationUndefined(c *CPU, in *inst) bool { return c.undefined() }
