package uart

// COM1 is the I/O port of a PC's first serial port.
const COM1 = 0x3f8

// Ports is how many registers a 16550 has.
const Ports = 8

// Register offsets. Data, InterruptEnable are the divisor's low and high byte
// while LineControlDivisor is set.
const (
	Data            = 0 // read: receive buffer; write: transmit holding register
	InterruptEnable = 1
	InterruptID     = 2 // read
	FIFOControl     = 2 // write
	LineControl     = 3
	ModemControl    = 4
	LineStatus      = 5
	ModemStatus     = 6
	Scratch         = 7
)

// Bits of the line control register.
const (
	LineControl8N1     = 0x03 // eight data bits, no parity, one stop bit
	LineControlDivisor = 0x80 // offsets 0 and 1 are the divisor
)

// Bits of the line status register.
const (
	LineStatusDataReady        = 0x01
	LineStatusTransmitterReady = 0x20 // the holding register takes a byte
	LineStatusTransmitterEmpty = 0x40 // the last bit has left the shift register
)

// Bits of the other registers.
const (
	InterruptIDNone   = 0x01 // no interrupt is pending
	InterruptIDFIFOs  = 0xc0 // the FIFOs are on
	FIFOControlEnable = 0x01
	FIFOControlClear  = 0x06 // empty both FIFOs
	ModemControlReady = 0x03 // DTR and RTS
	ModemStatusReady  = 0xb0 // CTS, DSR and carrier: somebody listens
)
