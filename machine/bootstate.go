package machine

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// Bits of the control registers that the entry states have (Intel SDM 3A 2.5).
const (
	cr0ProtectionEnable = 1 << 0
	cr0MonitorFPU       = 1 << 1
	cr0ExtensionType    = 1 << 4
	cr0NumericError     = 1 << 5
	cr0WriteProtect     = 1 << 16
	cr0Paging           = 1 << 31
	cr4PAE              = 1 << 5
	cr4OSFXSR           = 1 << 9
	cr4OSXMMEXCPT       = 1 << 10
	eferLongModeEnable  = 1 << 8
	eferLongModeActive  = 1 << 10
	eferNoExecuteEnable = 1 << 11

	rflagsFixed = 1 << 1
	dr6Reset    = 0xffff0ff0
	dr7Reset    = 0x400
	mxcsrReset  = 0x1f80
	fcwReset    = 0x37f
	patReset    = 0x0007040600070406
)

// Segments that span everything, by their access rights.
const (
	flatCode64 = 0xb | AccessCodeData | AccessPresent | AccessLong | AccessPages
	flatCode32 = 0xb | AccessCodeData | AccessPresent | AccessBig | AccessPages
	flatData   = 0x3 | AccessCodeData | AccessPresent | AccessBig | AccessPages
	busyTSS    = 0xb | AccessPresent
)

func flatSegment(selector uint16, access uint32) Segment {
	return Segment{Selector: selector, Limit: 0xffffffff, Access: access}
}

// ResetState is a CPU in 32-bit protected mode with flat segments, no paging,
// interrupts off, about to execute at entry.
func resetState(entry uint64) *AMD64State {
	s := &AMD64State{RIP: entry, RFLAGS: rflagsFixed, DR6: dr6Reset, DR7: dr7Reset, PAT: patReset, XCR0: 1}
	s.CS = flatSegment(bootCodeSelector, flatCode32)
	data := flatSegment(bootDataSelector, flatData)
	s.DS, s.ES, s.FS, s.GS, s.SS = data, data, data, data, data
	s.TR = Segment{Selector: 0, Limit: 0x67, Access: busyTSS}
	s.LDTR = Segment{Access: AccessUnusable}
	s.CR0 = cr0ProtectionEnable | cr0ExtensionType
	binary.LittleEndian.PutUint16(s.FXSAVE[0:], fcwReset)
	binary.LittleEndian.PutUint32(s.FXSAVE[24:], mxcsrReset)
	return s
}

// LongModeState is a CPU in long mode at ring 0 with the page tables at root,
// flat segments, interrupts off, about to execute at the virtual address
// entry. The descriptor tables are empty.
func LongModeState(entry uint64, root physmem.Address) *AMD64State {
	s := resetState(entry)
	s.CS = flatSegment(bootCodeSelector, flatCode64)
	s.CR0 = cr0ProtectionEnable | cr0MonitorFPU | cr0ExtensionType | cr0NumericError | cr0WriteProtect | cr0Paging
	s.CR3 = uint64(root)
	s.CR4 = cr4PAE | cr4OSFXSR | cr4OSXMMEXCPT
	s.EFER = eferLongModeEnable | eferLongModeActive | eferNoExecuteEnable
	return s
}

// bootGDTEntries are descriptors for the boot selectors: two empty ones, code,
// data, and a task state segment that fills two.
func bootGDTEntries(long bool) []byte {
	code := uint64(0x00cf9b000000ffff)
	if long {
		code = 0x00af9b000000ffff
	}
	var b []byte
	for _, d := range []uint64{0, 0, code, 0x00cf93000000ffff, 0x00008b0000000067, 0} {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	return b
}

// IdentityTablesSize is what WriteIdentityTables writes.
const IdentityTablesSize = 6 * PageSize

// WriteIdentityTables writes page tables at root, a page's address, that map
// the lowest 4 GiB to themselves in pages of 2 MiB, writable and executable,
// for the supervisor.
func WriteIdentityTables(memory physmem.Writer, root physmem.Address) error {
	const (
		// Accessed and dirty are set, so that the CPU never writes to the tables.
		table = 0x63 // present, writable
		leaf  = 0xe3 // and a large page
	)
	b := make([]byte, IdentityTablesSize)
	put := func(page, index int, entry uint64) {
		binary.LittleEndian.PutUint64(b[page*PageSize+8*index:], entry)
	}
	put(0, 0, uint64(root)+PageSize|table)
	for i := range 4 {
		put(1, i, uint64(root)+uint64(2+i)*PageSize|table)
		for j := range 512 {
			put(2+i, j, uint64(i*512+j)<<21|leaf)
		}
	}
	if _, err := memory.WritePhysical(b, root); err != nil {
		return fmt.Errorf("write identity tables: %w", err)
	}
	return nil
}
