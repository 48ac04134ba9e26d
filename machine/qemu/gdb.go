package qemu

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errStub says that the GDB stub refused a packet.
var errStub = errors.New("GDB stub refuses")

// replyTime is how long a stub may take for an answer.
const replyTime = 30 * time.Second

// gdb is a client of the GDB remote serial protocol (GDB manual, appendix E):
// as much as stops, reads and sets CPUs.
type gdb struct {
	conn    io.ReadWriteCloser
	mu      sync.Mutex // one writer at a time: interrupt comes from another goroutine
	packets chan string
	ended   error // why packets was closed
}

func newGDB(conn io.ReadWriteCloser) *gdb {
	g := &gdb{conn: conn, packets: make(chan string, 16)}
	go g.receive()
	return g
}

// receive takes packets apart: "$data#checksum", where "}" escapes the next
// byte. Acknowledgements are of no use on a socket.
func (g *gdb) receive() {
	defer close(g.packets)
	r := bufio.NewReader(g.conn)
	for {
		if _, err := r.ReadString('$'); err != nil {
			g.ended = err
			return
		}
		data, err := r.ReadString('#')
		if err == nil {
			_, err = r.Discard(2)
		}
		if err != nil {
			g.ended = err
			return
		}
		g.packets <- unescape(strings.TrimSuffix(data, "#"))
	}
}

// unescape undoes escapes and run lengths ("x*n" is n-29 more of x).
func unescape(s string) string {
	if !strings.ContainsAny(s, "}*") {
		return s
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '}' && i+1 < len(s):
			i++
			b = append(b, s[i]^0x20)
		case s[i] == '*' && i+1 < len(s) && len(b) > 0:
			i++
			for range max(int(s[i])-29, 0) {
				b = append(b, b[len(b)-1])
			}
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// send sends a packet without waiting.
func (g *gdb) send(data string) error {
	var sum byte
	for i := range len(data) {
		sum += data[i]
	}
	return g.write(fmt.Sprintf("+$%s#%02x", data, sum))
}

func (g *gdb) write(s string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := io.WriteString(g.conn, s)
	return err
}

// interrupt stops a machine that runs; the stop packet comes to who waits.
func (g *gdb) interrupt() error { return g.write("\x03") }

// do sends a packet and gives the answer to it.
func (g *gdb) do(data string) (string, error) {
	if err := g.send(data); err != nil {
		return "", fmt.Errorf("send %.40q to the GDB stub: %w", data, err)
	}
	answer, err := g.wait(time.After(replyTime))
	if err != nil {
		return "", fmt.Errorf("answer to %.40q: %w", data, err)
	}
	if strings.HasPrefix(answer, "E") && len(answer) == 3 {
		return "", fmt.Errorf("%w %.40q: %s", errStub, data, answer)
	}
	return answer, nil
}

func (g *gdb) wait(timeout <-chan time.Time) (string, error) {
	select {
	case p, ok := <-g.packets:
		if !ok {
			return "", fmt.Errorf("GDB connection ended: %w", g.ended)
		}
		return p, nil
	case <-timeout:
		return "", errors.New("no answer from the GDB stub")
	}
}

// ok is do for packets whose answer must be OK.
func (g *gdb) ok(data string) error {
	answer, err := g.do(data)
	if err != nil {
		return err
	}
	if answer != "OK" {
		return fmt.Errorf("%w %.40q: %q", errStub, data, answer)
	}
	return nil
}

// document reads a whole qXfer object.
func (g *gdb) document(name string) (string, error) {
	var b strings.Builder
	for {
		answer, err := g.do(fmt.Sprintf("qXfer:features:read:%s:%x,800", name, b.Len()))
		if err != nil {
			return "", err
		}
		if answer == "" || answer[0] != 'l' && answer[0] != 'm' || b.Len() > 1<<20 {
			return "", fmt.Errorf("%w to read %s: %.20q", errStub, name, answer)
		}
		b.WriteString(answer[1:])
		if answer[0] == 'l' {
			return b.String(), nil
		}
	}
}

// readRegister reads a register by its number.
func (g *gdb) readRegister(number int) ([]byte, error) {
	answer, err := g.do(fmt.Sprintf("p%x", number))
	if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(answer)
	if err != nil {
		return nil, fmt.Errorf("register %d: %q: %w", number, answer, err)
	}
	return b, nil
}

func (g *gdb) writeRegister(number int, value []byte) error {
	return g.ok(fmt.Sprintf("P%x=%s", number, hex.EncodeToString(value)))
}

// stop is what a stop packet says.
type stop struct {
	signal int
	cpu    int  // from 0
	exited bool // the process ends; signal is its exit code
}

// Signals as GDB numbers them.
const (
	signalInterrupt = 2 // by interrupt
	signalQuit      = 3 // the machine was shut down
	signalTrap      = 5 // breakpoint or step
)

func parseStop(p string) (stop, error) {
	if len(p) < 3 || !strings.ContainsRune("STWX", rune(p[0])) {
		return stop{}, fmt.Errorf("no stop packet: %.40q", p)
	}
	n, err := strconv.ParseUint(p[1:3], 16, 8)
	if err != nil {
		return stop{}, fmt.Errorf("stop packet %.40q: %w", p, err)
	}
	s := stop{signal: int(n), exited: p[0] == 'W' || p[0] == 'X'}
	for field := range strings.SplitSeq(p[3:], ";") {
		name, value, _ := strings.Cut(field, ":")
		if name != "thread" {
			continue
		}
		if _, after, ok := strings.Cut(value, "."); ok { // with multiprocess, "pPID.TID"
			value = after
		}
		thread, err := strconv.ParseUint(value, 16, 16)
		if err != nil || thread == 0 {
			return stop{}, fmt.Errorf("thread in stop packet %.40q", p)
		}
		s.cpu = int(thread) - 1
	}
	return s, nil
}
