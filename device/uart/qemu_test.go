//go:build unix

package uart_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/device/internal/qtest"
	"github.com/seed64aab995/rescuekernel/device/uart"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// virtPL011 is where QEMU's arm64 board has its serial port (hw/arm/virt.c,
// VIRT_UART).
const virtPL011 = 0x0900_0000

// TestQEMU talks through QEMU's serial ports to a socket, both ways.
func TestQEMU(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		board qtest.Board
		open  func(*qtest.Machine) (uart.Port, error)
	}{
		"16550": {qtest.Q35, func(m *qtest.Machine) (uart.Port, error) {
			r, err := m.Ports(uart.COM1, uart.Ports)
			require.NoError(t, err)
			return uart.NewNS16550(r, uart.Options{Speed: 115200})
		}},
		"PL011": {qtest.Virt, func(m *qtest.Machine) (uart.Port, error) {
			r, err := m.Memory(physmem.Range{Start: virtPL011, End: virtPL011 + uart.PL011Size})
			require.NoError(t, err)
			return uart.NewPL011(r, uart.Options{Speed: 115200})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "serial")
			require.NoError(t, err)
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, "socket")
			listener, err := net.Listen("unix", path)
			require.NoError(t, err)
			defer listener.Close()
			m := qtest.Start(t, c.board, "-chardev", "socket,id=serial,path="+path, "-serial", "chardev:serial")
			conn, err := listener.Accept()
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))

			p, err := c.open(m)
			require.NoError(t, err)
			text := strings.Repeat("host panicked; ", 20)
			// A socket holds some 280 writes of a byte, so somebody must read.
			received := make(chan string, 1)
			go func() {
				got := make([]byte, len(text))
				n, _ := io.ReadFull(conn, got)
				received <- string(got[:n])
			}()
			before := m.Accesses
			n, err := p.Write([]byte(text))
			require.NoError(t, err)
			require.Equal(t, len(text), n)
			t.Logf("%d register accesses for %d bytes", m.Accesses-before, n)
			require.NoError(t, p.Drain())
			require.Equal(t, text, <-received)

			_, err = conn.Write([]byte("yes"))
			require.NoError(t, err)
			answer := make([]byte, 0, 3)
			for len(answer) < 3 {
				n, err := p.Receive(answer[len(answer):3], 5*time.Second)
				require.NoError(t, err)
				answer = answer[:len(answer)+n]
			}
			require.Equal(t, "yes", string(answer))
			_, err = p.Receive(make([]byte, 1), 10*time.Millisecond)
			require.ErrorIs(t, err, uart.ErrTimeout)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		m := qtest.Start(t, qtest.Q35, "-serial", "none")
		r, err := m.Ports(uart.COM1, uart.Ports)
		require.NoError(t, err)
		_, err = uart.NewNS16550(r, uart.Options{})
		require.ErrorIs(t, err, uart.ErrNoPort)
	})
}
