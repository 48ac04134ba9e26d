package arm64

// timerRegisters are those of the generic timer (DDI 0487 D12, D24.10).
func timerRegisters() map[SystemRegister]*systemRegister {
	t := map[SystemRegister]*systemRegister{
		Register(3, 3, 14, 0, 0): {name: "CNTFRQ_EL0", read: func(*CPU) uint64 { return CounterFrequency },
			write: func(c *CPU, v uint64) {
				if c.level < c.highest() {
					c.undefined()
				}
			},
			trap: func(c *CPU, _ bool) uint8 { return c.trapUserTimer(3) }},
		Register(3, 3, 14, 0, 1): {name: "CNTPCT_EL0", read: (*CPU).counter, trap: func(c *CPU, _ bool) uint8 {
			if to := c.trapUserTimer(1); to != 0 {
				return to
			}
			return c.trapPhysical(0)
		}},
		Register(3, 3, 14, 0, 2): {name: "CNTVCT_EL0", trap: func(c *CPU, _ bool) uint8 { return c.trapUserTimer(2) },
			read: func(c *CPU) uint64 {
				if c.level == 2 && c.hostBit() || c.level == 0 && c.hostUser() {
					return c.counter()
				}
				return c.virtualCounter()
			}},
		Register(3, 4, 14, 0, 3): {name: "CNTVOFF_EL2", level: 2, read: func(c *CPU) uint64 { return c.timers.offset },
			write: func(c *CPU, v uint64) { c.timers.offset = v; c.rearm() }},
		Register(3, 4, 14, 1, 0): {name: "CNTHCTL_EL2", level: 2, read: func(c *CPU) uint64 { return c.sys.cnthctl },
			write: func(c *CPU, v uint64) { c.sys.cnthctl = v & 0xfff }},
		Register(3, 0, 14, 1, 0): {name: "CNTKCTL_EL1", level: 1,
			read: func(c *CPU) uint64 { return *c.kernelTimerControl() }, write: func(c *CPU, v uint64) { *c.kernelTimerControl() = v & 0xfff }},
		Register(3, 5, 14, 1, 0): {name: "CNTKCTL_EL12", level: 2, host: true,
			read: func(c *CPU) uint64 { return c.sys.cntkctl }, write: func(c *CPU, v uint64) { c.sys.cntkctl = v & 0x3ff }},
	}
	comparatorRegisters(t, "CNTP", 3, 2, 0, false, func(c *CPU) Timer { return c.redirected(TimerPhysical, TimerHyp) })
	comparatorRegisters(t, "CNTV", 3, 3, 0, false, func(c *CPU) Timer { return c.redirected(TimerVirtual, TimerHypVirtual) })
	comparatorRegisters(t, "CNTHP", 4, 2, 2, false, func(*CPU) Timer { return TimerHyp })
	comparatorRegisters(t, "CNTHV", 4, 3, 2, false, func(*CPU) Timer { return TimerHypVirtual })
	comparatorRegisters(t, "CNTP_EL02", 5, 2, 2, true, func(*CPU) Timer { return TimerPhysical })
	comparatorRegisters(t, "CNTV_EL02", 5, 3, 2, true, func(*CPU) Timer { return TimerVirtual })
	return t
}

// kernelTimerControl is CNTKCTL_EL1, or for a host at EL2 CNTHCTL_EL2.
func (c *CPU) kernelTimerControl() *uint64 {
	if c.bankOf() == 2 {
		return &c.sys.cnthctl
	}
	return &c.sys.cntkctl
}

// redirected is the timer that EL1's registers reach.
func (c *CPU) redirected(own, host Timer) Timer {
	if c.level == 2 && c.hostBit() || c.level == 0 && c.hostUser() {
		return host
	}
	return own
}

// comparatorRegisters are TVAL, CTL and CVAL of a timer.
func comparatorRegisters(t map[SystemRegister]*systemRegister, name string, op1, crm int, level uint8, host bool, which func(c *CPU) Timer) {
	trap := func(c *CPU, _ bool) uint8 {
		bit := 9 // EL0PTEN
		if crm == 3 {
			bit = 8 // EL0VTEN
		}
		if op1 != 3 {
			return 0
		}
		if to := c.trapUserTimer(1 << bit); to != 0 {
			return to
		}
		if crm == 2 {
			return c.trapPhysical(1)
		}
		return 0
	}
	var needs feature
	if name == "CNTHV" {
		needs = featureVHE
	}
	add := func(suffix string, op2 int, read func(c *CPU, t Timer) uint64, write func(c *CPU, t Timer, v uint64)) {
		t[Register(3, op1, 14, crm, op2)] = &systemRegister{name: name + suffix, level: level, host: host, trap: trap, needs: needs,
			read:  func(c *CPU) uint64 { return read(c, which(c)) },
			write: func(c *CPU, v uint64) { write(c, which(c), v); c.rearm() }}
	}
	add("_TVAL", 0, func(c *CPU, t Timer) uint64 { return uint64(uint32(c.timers.all[t].value - c.countOf(t))) },
		func(c *CPU, t Timer, v uint64) { c.timers.all[t].value = c.countOf(t) + uint64(int32(v)) })
	add("_CTL", 1, func(c *CPU, t Timer) uint64 {
		v := c.timers.all[t].control
		if v&timerEnable != 0 && c.reached(t) {
			v |= timerStatus
		}
		return v
	}, func(c *CPU, t Timer, v uint64) { c.timers.all[t].control = v & (timerEnable | timerMask) })
	add("_CVAL", 2, func(c *CPU, t Timer) uint64 { return c.timers.all[t].value },
		func(c *CPU, t Timer, v uint64) { c.timers.all[t].value = v })
}

// rearm works out what follows from other timer registers.
func (c *CPU) rearm() {
	c.updateTimers()
	c.limit = 0
}

// trapUserTimer traps EL0 where none of the bits of CNTKCTL_EL1, or of a host's
// CNTHCTL_EL2, is set.
func (c *CPU) trapUserTimer(allowed uint64) uint8 {
	if c.level != 0 {
		return 0
	}
	control := c.sys.cntkctl
	if c.hostUser() {
		control = c.sys.cnthctl
	}
	if control&allowed == 0 {
		return 1
	}
	return 0
}

// trapPhysical traps EL0 and EL1 to EL2 where CNTHCTL_EL2's bit for the counter
// (0: EL1PCTEN) or the timer (1: EL1PCEN) is clear.
func (c *CPU) trapPhysical(bit int) uint8 {
	if !c.config.EL2 || c.level == 2 || c.hostUser() {
		return 0
	}
	if c.hostBit() {
		bit += 10
	}
	if c.sys.cnthctl>>bit&1 == 0 {
		return 2
	}
	return 0
}
