package drill

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// console takes what the guests write. While it is armed it stops the machine
// when the host says that it has armed.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
	next io.Writer
	stop context.CancelFunc
}

var armedLine = regexp.MustCompile(`armed \[(0x[0-9a-f]+), (0x[0-9a-f]+)\), freeze point (0x[0-9a-f]+)\r?\n`)

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	if c.stop != nil && bytes.IndexByte(p, '\n') >= 0 && armedLine.Match(c.text.Bytes()) {
		c.stop()
	}
	if c.next != nil {
		if _, err := c.next.Write(p); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(c.text.String(), "\r\n", "\n")
}

// onArmed sets what is called when the host has armed; nil ends it.
func (c *console) onArmed(stop context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = stop
}

// armed is what the host said when it had armed.
func (c *console) armed() (base physmem.Address, freeze uint64, err error) {
	match := armedLine.FindStringSubmatch(c.String() + "\n")
	if match == nil {
		return 0, 0, fmt.Errorf("the host did not arm")
	}
	start, err := strconv.ParseUint(match[1], 0, 64)
	if err != nil {
		return 0, 0, err
	}
	freeze, err = strconv.ParseUint(match[3], 0, 64)
	return physmem.Address(start), freeze, err
}
