package uart_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/uart"
)

// model is a serial port: a transmitter that takes burst bytes, and sends them
// when it has been looked at often enough, and bytes to receive.
type model struct {
	t *testing.T
	device.Registers
	stride   uint64
	pl011    bool
	fifo     bool // it has them
	never    bool // it sends nothing
	looks    int
	waiting  int
	sent     []byte
	received []byte
	divisor  [2]uint32
	regs     map[uint64]uint32
}

// look is a read of the status: every third one finds the transmitter empty.
func (m *model) look() {
	if m.looks++; m.looks%3 == 0 && !m.never {
		m.waiting = 0
	}
}

func (m *model) room() int {
	if m.fifo {
		return 16 - m.waiting
	}
	return 1 - m.waiting
}

func (m *model) take(b byte) {
	require.Positive(m.t, m.room(), "overrun")
	m.sent = append(m.sent, b)
	m.waiting++
}

func (m *model) give() byte {
	require.NotEmpty(m.t, m.received)
	b := m.received[0]
	m.received = m.received[1:]
	return b
}

func (m *model) Read8(offset uint64) uint8 {
	require.False(m.t, m.pl011)
	switch offset / m.stride {
	case uart.Data:
		return m.give()
	case uart.LineStatus:
		m.look()
		var v uint8
		if m.waiting == 0 {
			v |= uart.LineStatusTransmitterReady | uart.LineStatusTransmitterEmpty
		}
		if len(m.received) > 0 {
			v |= uart.LineStatusDataReady
		}
		return v
	case uart.InterruptID:
		if m.fifo && m.regs[uart.FIFOControl]&uart.FIFOControlEnable != 0 {
			return uart.InterruptIDFIFOs | uart.InterruptIDNone
		}
		return uart.InterruptIDNone
	}
	m.t.Errorf("read of register %d", offset)
	return 0
}

func (m *model) Write8(offset uint64, v uint8) {
	offset /= m.stride
	divisor := m.regs[uart.LineControl]&uart.LineControlDivisor != 0
	switch {
	case divisor && offset < 2:
		m.divisor[offset] = uint32(v)
	case offset == uart.Data:
		m.take(v)
	default:
		m.regs[offset] = uint32(v)
	}
}

func (m *model) Read32(offset uint64) uint32 {
	require.True(m.t, m.pl011)
	switch offset {
	case uart.PL011Data:
		return uint32(m.give()) | 0x800 // with an overrun error
	case uart.PL011Flags:
		m.look()
		var v uint32
		if m.room() == 0 {
			v |= uart.PL011FlagTransmitFull
		}
		if m.waiting > 0 {
			v |= uart.PL011FlagBusy
		} else {
			v |= uart.PL011FlagTransmitNone
		}
		if len(m.received) == 0 {
			v |= uart.PL011FlagReceiveEmpty
		}
		return v
	}
	require.Contains(m.t, []uint64{uart.PL011LineControl}, offset)
	return m.regs[offset]
}

func (m *model) Write32(offset uint64, v uint32) {
	if offset == uart.PL011Data {
		m.take(byte(v))
		return
	}
	m.regs[offset] = v
}

// clock advances a millisecond at each look.
func clock() func() time.Time {
	now := time.Unix(1, 0)
	return func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}
}

// ports are the kinds of ports.
func ports(t *testing.T, test func(t *testing.T, m *model, open func(uart.Options) (uart.Port, error))) {
	for name, model := range map[string]model{
		"16550":            {stride: 1, fifo: true},
		"8250":             {stride: 1},
		"16550 of 4 bytes": {stride: 4, fifo: true},
		"PL011":            {pl011: true, fifo: true},
		"PL011 of 1 byte":  {pl011: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := model
			m.t, m.regs = t, map[uint64]uint32{}
			if m.pl011 && m.fifo { // as firmware leaves it
				m.regs[uart.PL011LineControl] = uart.PL011LineFIFOs
			}
			test(t, &m, func(o uart.Options) (uart.Port, error) {
				o.Now, o.Stride = clock(), m.stride
				if m.pl011 {
					return uart.NewPL011(&m, o)
				}
				return uart.NewNS16550(&m, o)
			})
		})
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	ports(t, func(t *testing.T, m *model, open func(uart.Options) (uart.Port, error)) {
		p, err := open(uart.Options{})
		require.NoError(t, err)
		text := "the quick brown fox jumps over the lazy dog\r\n"
		n, err := p.Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, len(text), n)
		require.Equal(t, text, string(m.sent))
		require.NoError(t, p.Drain())
		if m.fifo {
			require.LessOrEqual(t, m.looks, 15, "a look for each FIFO and not for each byte")
		}
		require.Zero(t, m.divisor, "the speed stays")
		if m.pl011 {
			require.Equal(t, m.fifo, m.regs[uart.PL011LineControl] == uart.PL011LineFIFOs, "the line stays")
			require.EqualValues(t, 0, m.regs[uart.PL011InterruptMask])
		} else {
			require.EqualValues(t, uart.LineControl8N1, m.regs[uart.LineControl])
			require.EqualValues(t, 0, m.regs[uart.InterruptEnable])
		}
	})
}

func TestNobodyTakes(t *testing.T) {
	t.Parallel()
	ports(t, func(t *testing.T, m *model, open func(uart.Options) (uart.Port, error)) {
		p, err := open(uart.Options{Timeout: 20 * time.Millisecond})
		require.NoError(t, err)
		m.never = true
		n, err := p.Write(make([]byte, 100))
		require.ErrorIs(t, err, uart.ErrTimeout)
		require.Equal(t, len(m.sent), n)
		require.ErrorIs(t, p.Drain(), uart.ErrTimeout)
		require.Less(t, m.looks, 100)
	})
}

func TestReceive(t *testing.T) {
	t.Parallel()
	ports(t, func(t *testing.T, m *model, open func(uart.Options) (uart.Port, error)) {
		p, err := open(uart.Options{})
		require.NoError(t, err)
		m.received = []byte("yes\r")
		b := make([]byte, 3)
		n, err := p.Receive(b, time.Second)
		require.NoError(t, err)
		require.Equal(t, "yes", string(b[:n]))
		n, err = p.Receive(b, 0)
		require.NoError(t, err)
		require.Equal(t, "\r", string(b[:n]))
		_, err = p.Receive(b, 10*time.Millisecond)
		require.ErrorIs(t, err, uart.ErrTimeout)
		n, err = p.Receive(nil, time.Second)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestSpeed(t *testing.T) {
	t.Parallel()
	ports(t, func(t *testing.T, m *model, open func(uart.Options) (uart.Port, error)) {
		_, err := open(uart.Options{Speed: 38400})
		require.NoError(t, err)
		if m.pl011 {
			require.EqualValues(t, 39, m.regs[uart.PL011IntegerDivisor]) // 24 MHz / 16 / 38400 = 39 + 4/64
			require.EqualValues(t, 4, m.regs[uart.PL011FractionDivisor])
			require.EqualValues(t, uart.PL011Line8Bits|uart.PL011LineFIFOs, m.regs[uart.PL011LineControl])
			require.EqualValues(t, 0x301, m.regs[uart.PL011Control])
		} else {
			require.Equal(t, [2]uint32{3, 0}, m.divisor)
			require.EqualValues(t, uart.LineControl8N1, m.regs[uart.LineControl])
		}
		for _, speed := range []uint32{1, 300_000_000, 0xffff_ffff} {
			_, err = open(uart.Options{Speed: speed})
			require.ErrorIs(t, err, uart.ErrSpeed, "%d", speed)
		}
		if !m.pl011 {
			_, err = open(uart.Options{Speed: 300})
			require.NoError(t, err)
			require.Equal(t, [2]uint32{0x80, 1}, m.divisor)
		}
	})
}

// absent is what is read where no device is.
type absent struct{ device.Registers }

func (absent) Read8(uint64) uint8 { return 0xff }

func TestNoPort(t *testing.T) {
	t.Parallel()
	_, err := uart.NewNS16550(absent{}, uart.Options{})
	require.ErrorIs(t, err, uart.ErrNoPort)
}
