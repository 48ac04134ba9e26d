package arm64

// monitor is the local exclusive monitor.
type monitor struct {
	armed   bool
	address uint64 // physical
	size    uint8
	value   word128 // what was loaded
}

func (m *monitor) clear() { m.armed = false }

func exclusiveOpcodes() []opcode { return nil }
func atomicOpcodes() []opcode    { return nil }
