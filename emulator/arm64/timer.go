package arm64

const (
	// CounterFrequency is CNTFRQ_EL0: 62.5 MHz, so that TicksPerCount ticks of
	// virtual time, an instruction each, are as many nanoseconds.
	CounterFrequency = 62_500_000
	TicksPerCount    = 16

	never = ^uint64(0)
)

// Bits of CNTx_CTL.
const (
	timerEnable = 1 << 0
	timerMask   = 1 << 1
	timerStatus = 1 << 2
)

// comparator is one timer.
type comparator struct {
	control uint64
	value   uint64 // CVAL
	output  bool
}

// timers are the generic timer of a CPU (DDI 0487 D12).
type timers struct {
	all    [timerCount]comparator
	offset uint64 // CNTVOFF_EL2
	next   uint64 // when an output changes by itself, in ticks
}

// SetTime tells the CPU what time it is before it runs.
func (c *CPU) SetTime(t uint64) {
	c.timeBase = t - c.count
	c.updateTimers()
}

// Time is the CPU's time.
func (c *CPU) Time() uint64 { return c.now() }

// now is virtual time at the start of the current block.
func (c *CPU) now() uint64 { return c.timeBase + c.count }

// counter is CNTPCT_EL0; virtualCounter is CNTVCT_EL0 as EL1 sees it.
func (c *CPU) counter() uint64        { return c.now() / TicksPerCount }
func (c *CPU) virtualCounter() uint64 { return c.counter() - c.timers.offset }

// countOf is the counter that a timer compares with.
func (c *CPU) countOf(t Timer) uint64 {
	if t == TimerVirtual {
		return c.virtualCounter()
	}
	return c.counter()
}

// reached reports whether a timer's condition is met.
func (c *CPU) reached(t Timer) bool { return c.countOf(t) >= c.timers.all[t].value }

// updateTimers works out the outputs, and when the next one changes.
func (c *CPU) updateTimers() {
	c.timers.next = never
	for t := range timerCount {
		k := &c.timers.all[t]
		on := k.control&timerEnable != 0
		met := on && c.reached(t)
		if on && !met && k.control&timerMask == 0 {
			left := k.value - c.countOf(t)
			if at := (c.counter() + left) * TicksPerCount; left < 1<<58 && at < c.timers.next {
				c.timers.next = at
			}
		}
		if output := met && k.control&timerMask == 0; output != k.output {
			k.output = output
			if c.config.TimerOutput != nil {
				c.config.TimerOutput(c, t, output)
			}
		}
	}
}

// Deadline is when the CPU's next timer fires, if one is set.
func (c *CPU) Deadline() (uint64, bool) { return c.timers.next, c.timers.next != never }
