//go:build unix

package qemu

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/seed64aab995/rescuekernel/machine/internal/ram"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// memory is the machine's RAM. It notes what was written to it, since QEMU's
// own emulation does not see that code it has translated was changed from
// outside.
type memory struct {
	*ram.RAM
	mu      sync.Mutex
	written physmem.Ranges
}

// WritePhysical implements physmem.Writer.
func (m *memory) WritePhysical(p []byte, address physmem.Address) (int, error) {
	n, err := m.RAM.WritePhysical(p, address)
	m.mu.Lock()
	defer m.mu.Unlock()
	r := physmem.Range{Start: address, End: address + physmem.Address(n)}
	if !m.written.ContainsRange(r) {
		m.written = m.written.Union(physmem.Ranges{r})
	}
	return n, err
}

// takeWritten gives what was written since the last call.
func (m *memory) takeWritten() physmem.Ranges {
	m.mu.Lock()
	defer m.mu.Unlock()
	written := m.written
	m.written = nil
	return written
}

// writeChunk is how many bytes one packet writes: a packet of QEMU's stub has
// at most 4096 characters.
const writeChunk = 1920

// tellWrites has QEMU itself write what was written to the memory, so that it
// forgets code that it translated there. A QEMU that has executed nothing yet
// has none.
func (m *guest) tellWrites(p *process) (err error) {
	written := m.memory.takeWritten()
	if len(written) == 0 || !m.ran {
		m.ran = true
		return nil
	}
	if err := p.gdb.ok("Qqemu.PhyMemMode:1"); err != nil {
		return fmt.Errorf("tell QEMU of changed memory: %w", err)
	}
	defer func() { err = errors.Join(err, p.gdb.ok("Qqemu.PhyMemMode:0")) }()
	buffer := make([]byte, writeChunk)
	for _, r := range written {
		for at := r.Start; at < r.End; at += writeChunk {
			chunk := buffer[:min(writeChunk, uint64(r.End-at))]
			if _, err := m.memory.ReadPhysical(chunk, at); err != nil {
				return err
			}
			if err := p.gdb.ok(fmt.Sprintf("M%x,%x:%s", uint64(at), len(chunk), hex.EncodeToString(chunk))); err != nil {
				return fmt.Errorf("tell QEMU of changed memory at %v: %w", at, err)
			}
		}
	}
	return nil
}
