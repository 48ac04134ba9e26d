package rescue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// testHost is a host whose memory lies in this process, so that its panic path
// runs here: 64 MiB from 1 MiB on, the first MiB of it in use.
type testHost struct {
	facts     handoff.HostFacts
	ram       []byte
	start     physmem.Address
	reserved  physmem.Ranges
	protected physmem.Ranges
	identity  map[physmem.Range]bool
	handler   handoff.PanicHandler
	panicked  []string

	fail  string // the operation that fails
	after int    // that often it does not
}

var errHost = errors.New("the host is out of order")

const (
	hostStart = physmem.Address(1 << 20)
	hostSize  = 64 << 20
)

func newTestHost(t *testing.T) *testHost {
	t.Helper()
	all := physmem.Range{Start: hostStart, End: hostStart + hostSize}
	memoryMap, err := physmem.NewMemoryMap(physmem.Region{Range: all, Type: physmem.MemoryRAM})
	require.NoError(t, err)
	region := func(start physmem.Address) handoff.Region {
		return handoff.Region{Length: 4096, Extents: []physmem.Range{{Start: start, End: start + 4096}}}
	}
	return &testHost{
		ram: make([]byte, hostSize), start: hostStart, identity: map[physmem.Range]bool{},
		facts: handoff.HostFacts{
			Architecture: handoff.AMD64, Map: memoryMap, Used: physmem.NewRanges(physmem.Range{Start: hostStart, End: 2 * hostStart}),
			Host:      handoff.Host{Name: "anvil", PageSize: 4096, CPUs: 1, KernelBase: handoff.KernelBase, KernelEnd: handoff.KernelBase + 1<<30},
			Root:      hostStart,
			DumpAvail: region(hostStart + 0x10000), Bitmap: region(hostStart + 0x20000), MessageBuffer: region(hostStart + 0x30000),
			PagingLevels: 4, ACPI: 0xe0000,
		},
	}
}

func (h *testHost) fails(operation string) error {
	if h.fail == operation {
		if h.after--; h.after < 0 {
			return errHost
		}
	}
	return nil
}

func (h *testHost) Facts() (handoff.HostFacts, error) {
	f := h.facts
	f.Used = f.Used.Union(h.reserved)
	return f, h.fails("facts")
}

func (h *testHost) Memory() (physmem.Memory, error) { return (*hostMemory)(h), h.fails("memory") }

func (h *testHost) VirtualAddress(r physmem.Range) (uintptr, error) {
	return uintptr(unsafe.Pointer(&h.ram[r.Start-h.start])), h.fails("virtual")
}

func (h *testHost) Reserve(r physmem.Range) error {
	if err := h.fails("reserve"); err != nil {
		return err
	}
	h.reserved = h.reserved.Union(physmem.NewRanges(r))
	return nil
}

func (h *testHost) Release(r physmem.Range) error {
	h.reserved = h.reserved.Minus(physmem.NewRanges(r))
	return h.fails("release")
}

func (h *testHost) Protect(r physmem.Range, writable bool) error {
	if err := h.fails("protect"); err != nil {
		return err
	}
	if writable {
		h.protected = h.protected.Minus(physmem.NewRanges(r))
	} else {
		h.protected = h.protected.Union(physmem.NewRanges(r))
	}
	return nil
}

func (h *testHost) MapIdentity(r physmem.Range, executable bool) error {
	if err := h.fails("identity"); err != nil {
		return err
	}
	h.identity[r] = executable
	return nil
}

func (h *testHost) UnmapIdentity(r physmem.Range) error {
	delete(h.identity, r)
	return h.fails("unmap")
}

func (h *testHost) OnPanic(p handoff.PanicHandler) error {
	if err := h.fails("onpanic"); err != nil {
		return err
	}
	h.handler = p
	return nil
}

func (h *testHost) Panic(message string) { h.panicked = append(h.panicked, message) }

// hostMemory is the host's memory with what is protected read-only.
type hostMemory testHost

func (m *hostMemory) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	return physmem.NewBytes(m.start, m.ram).ReadPhysical(p, a)
}

func (m *hostMemory) WritePhysical(p []byte, a physmem.Address) (int, error) {
	if r, ok := physmem.NewRange(a, uint64(len(p))); !ok || m.protected.Overlaps(r) {
		return 0, &physmem.AccessError{Operation: "write", Range: r, Err: errHost}
	}
	return physmem.NewBytes(m.start, m.ram).WritePhysical(p, a)
}

// testImage is a small program as the Go linker makes them: a page of text, one
// of read-only data, one of data that ends in zero pages.
func testImage(architecture handoff.Architecture) *bytes.Reader {
	const header, program = 64, 56
	data := make([]byte, 4*4096)
	for i := range data[4096:] {
		data[4096+i] = byte(i) ^ byte(i>>8)
	}
	le := binary.LittleEndian
	copy(data, "\x7fELF\x02\x01\x01")
	le.PutUint16(data[16:], 2)
	le.PutUint16(data[18:], uint16(architecture))
	le.PutUint64(data[24:], handoff.LinkText)
	le.PutUint64(data[32:], header)
	le.PutUint16(data[54:], program)
	le.PutUint16(data[56:], 3)
	for i, flags := range []uint32{5, 4, 6} {
		p := data[header+program*i:]
		offset := uint64(i+1) * 4096
		le.PutUint32(p, 1)
		le.PutUint32(p[4:], flags)
		le.PutUint64(p[8:], offset)
		le.PutUint64(p[16:], handoff.LinkBase+offset)
		le.PutUint64(p[32:], 4096)
		le.PutUint64(p[40:], 4096+uint64(i/2)*0x5000)
	}
	return bytes.NewReader(data)
}

func (m *hostMemory) ViewPhysical(r physmem.Range) []byte {
	return m.ram[r.Start-m.start : r.End-m.start]
}
