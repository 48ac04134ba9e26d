package arm64

import (
	"github.com/seed64aab995/rescuekernel/machine"
)

// systemOperation is what a SYS instruction does with its register.
type systemOperation struct {
	name  string
	level uint8
	needs feature
	host  bool // only where there is an EL2
	trap  func(c *CPU, write bool) uint8
	run   func(c *CPU, v uint64) bool // false: a fault
}

// systemOperations are all there are, by encoding with op0 1.
var systemOperations = joinOperations(cacheOperations(), translationOperations(), invalidations())

func joinOperations(tables ...map[SystemRegister]*systemOperation) map[SystemRegister]*systemOperation {
	all := map[SystemRegister]*systemOperation{}
	for _, t := range tables {
		for k, o := range t {
			all[k] = o
		}
	}
	return all
}

// operationSystem is SYS: IC, DC, AT, TLBI.
func operationSystem(c *CPU, in *inst) bool {
	key := SystemRegister(in.imm)
	o := systemOperations[key]
	switch {
	case o == nil && (c.level == 0 && key>>11&7 != 3 || key>>7&15 == 11 || key>>7&15 == 15): // implementation defined
		return c.undefined()
	case o == nil:
		return c.stop(machine.Exit{Reason: machine.Failed, Detail: "a system instruction that is not emulated: " + key.String()})
	case c.level < o.level, o.needs&^c.has != 0, o.host && !c.config.EL2:
		return c.undefined()
	}
	if o.trap != nil {
		if to := o.trap(c, true); to != 0 {
			return c.trapSystem(in, to)
		}
	}
	return o.run(c, c.r[in.d&regMask])
}

// delayed reports whether what the architecture lets wait waits: maintenance for
// DSB, system registers for a context synchronization event.
func (c *CPU) delayed() bool { return c.config.Delayed }

// maintain has maintenance done, by the next DSB at the latest.
func (c *CPU) maintain(do func()) bool {
	if c.delayed() {
		c.underWay = append(c.underWay, do)
	} else {
		do()
	}
	return true
}

// complete ends the maintenance that is under way.
func (c *CPU) complete() {
	for _, do := range c.underWay {
		do()
	}
	c.underWay = c.underWay[:0]
}

// synchronise is a context synchronization event (DDI 0487 D8.17, B2.6.4): what
// was written to system registers holds from here on.
func (c *CPU) synchronise() {
	if c.stale {
		c.stale = false
		c.contextChanged()
	}
}

// translationOperations are AT (DDI 0487 C5.5).
func translationOperations() map[SystemRegister]*systemOperation {
	t := map[SystemRegister]*systemOperation{}
	add := func(name string, op1, crm, op2 int, el2 bool, kind accessKind, user, pan bool) {
		level := uint8(1)
		if op1 == 4 {
			level = 2
		}
		var needs feature
		if crm == 9 {
			needs = featurePAN
		}
		t[Register(1, op1, 7, crm, op2)] = &systemOperation{name: "AT " + name, level: level, needs: needs, host: op1 == 4,
			run: func(c *CPU, v uint64) bool { c.translateTo(v, c.regimeOf(el2), kind, user, pan); return true }}
	}
	for i, name := range []string{"S1E1R", "S1E1W", "S1E0R", "S1E0W"} {
		kind := accessKind(i & 1)
		add(name, 0, 8, i, false, kind, i >= 2, false)
		add("S12"+name[2:], 4, 8, 4+i, false, kind, i >= 2, false)
	}
	add("S1E1RP", 0, 9, 0, false, accessRead, false, true)
	add("S1E1WP", 0, 9, 1, false, accessWrite, false, true)
	add("S1E2R", 4, 8, 0, true, accessRead, false, false)
	add("S1E2W", 4, 8, 1, true, accessWrite, false, false)
	return t
}

// regimeOf is the regime that an operation for EL1, or for EL2, is about.
func (c *CPU) regimeOf(el2 bool) regimeNumber {
	switch {
	case el2 && c.hostBit():
		return regimeHost
	case el2:
		return regimeEL2
	case c.level == 2 && c.hostUser():
		return regimeHost
	}
	return regimeEL1
}

// translateTo puts the outcome of a translation into PAR_EL1 (DDI 0487 D24.2,
// PAR_EL1).
func (c *CPU) translateTo(va uint64, n regimeNumber, kind accessKind, user, pan bool) {
	r := c.makeRegime(n)
	if !r.on {
		c.sys.par = va&0x000f_ffff_ffff_f000 | 1<<11 | 1<<9 | 2<<7
		return
	}
	pa, _, status := r.lookup(c, va, kind, user, pan && c.pan)
	if status != statusNone {
		c.sys.par = 1 | uint64(status)<<1 | 1<<11
		return
	}
	key, _, _ := r.split(va)
	e := c.lookups.find(&r, key)
	share := uint64(2) // outer, for what is not cacheable
	if e.attributes>>4 != 0 && e.attributes != 0x44 {
		share = uint64(e.share)
	}
	c.sys.par = pa&0x000f_ffff_ffff_f000 | uint64(e.attributes)<<56 | 1<<11 | 1<<9 | share<<7
}

// invalidations are TLBI (DDI 0487 C5.5). CRm 3 is for all CPUs of the inner
// shareable domain, 7 for this one.
func invalidations() map[SystemRegister]*systemOperation {
	t := map[SystemRegister]*systemOperation{}
	trap := func(c *CPU, _ bool) uint8 {
		if c.level == 1 {
			return c.trapHCR(25) // TTLB
		}
		return 0
	}
	add := func(name string, op1, op2 int, el2 bool, chosen func(v uint64) func(lookasideKey) bool) {
		for _, shared := range []bool{false, true} {
			crm, suffix := 7, ""
			if shared {
				crm, suffix = 3, "IS"
			}
			level := uint8(1)
			if op1 == 4 {
				level = 2
			}
			t[Register(1, op1, 8, crm, op2)] = &systemOperation{name: "TLBI " + name + suffix, level: level, host: op1 == 4, trap: trap,
				run: func(c *CPU, v uint64) bool {
					n := c.regimeOf(el2)
					if name == "ALLE1" || name == "VMALLS12E1" {
						n = regimeEL1
					}
					return c.maintain(func() { c.invalidate(n, shared, chosen(v)) })
				}}
		}
	}
	add("VMALLE1", 0, 0, false, everything)
	add("VAE1", 0, 1, false, byAddressAndASID)
	add("ASIDE1", 0, 2, false, byASID)
	add("VAAE1", 0, 3, false, byAddress)
	add("VALE1", 0, 5, false, byAddressAndASID)
	add("VAALE1", 0, 7, false, byAddress)
	add("ALLE2", 4, 0, true, everything)
	add("VAE2", 4, 1, true, byAddressAndASID)
	add("VALE2", 4, 5, true, byAddressAndASID)
	add("ALLE1", 4, 4, false, everything)
	add("VMALLS12E1", 4, 6, false, everything)
	nothing := func(uint64) func(lookasideKey) bool { return func(lookasideKey) bool { return false } }
	for _, crm := range []int{0, 4} { // by IPA: there is no stage 2
		for _, op2 := range []int{1, 5} {
			t[Register(1, 4, 8, crm, op2)] = &systemOperation{name: "TLBI IPAS2E1", level: 2, host: true,
				run: func(c *CPU, v uint64) bool { nothing(v); return true }}
		}
	}
	return t
}

func everything(uint64) func(lookasideKey) bool { return func(lookasideKey) bool { return true } }

func byASID(v uint64) func(lookasideKey) bool {
	return func(k lookasideKey) bool { return k.asid == int32(v>>48) }
}

// byAddress chooses entries that cover the address in bits 43 to 0.
func byAddress(v uint64) func(lookasideKey) bool {
	return func(k lookasideKey) bool { return (k.page<<k.size^v<<12)<<8>>(8+k.size) == 0 }
}

func byAddressAndASID(v uint64) func(lookasideKey) bool {
	covers := byAddress(v)
	return func(k lookasideKey) bool { return covers(k) && (k.asid < 0 || k.asid == int32(v>>48)) }
}

// invalidate drops entries of a regime, of this CPU or of all.
func (c *CPU) invalidate(n regimeNumber, shared bool, chosen func(lookasideKey) bool) {
	cpus := []*CPU{c}
	if shared {
		cpus = c.everyone()
	}
	for _, other := range cpus {
		other.lookups.drop(func(k lookasideKey, _ *tlbEntry) bool { return k.regime == n && chosen(k) })
		other.flushFast()
	}
}
