package minidump

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
)

const (
	// prstatusRegisters is the offset of pr_reg in struct elf_prstatus of
	// 64-bit Linux (elfcore.h); pr_fpvalid and padding, 8 bytes, follow it.
	prstatusRegisters = 112
	// signalAbort is the signal of the CPU that panicked.
	signalAbort = 6
)

// prstatus makes the struct elf_prstatus of a CPU: 336 bytes on amd64, 392 on
// arm64. There are no processes: the thread number is the CPU's plus 1.
func prstatus(c *CPUNote, registers []uint64) []byte {
	b := make([]byte, prstatusRegisters, prstatusRegisters+8*len(registers)+8)
	if c.Flags&CPUPanicked != 0 {
		binary.LittleEndian.PutUint32(b[0:], signalAbort)  // pr_info.si_signo
		binary.LittleEndian.PutUint16(b[12:], signalAbort) // pr_cursig
	}
	binary.LittleEndian.PutUint32(b[32:], c.Number+1) // pr_pid
	for _, r := range registers {
		b = binary.LittleEndian.AppendUint64(b, r)
	}
	return append(b, make([]byte, 8)...)
}

// linuxRegisters are a CPU's registers in the order of Linux's struct
// user_regs_struct (amd64) or user_pt_regs (arm64). They are nil where the
// state cannot be decoded or has no general registers.
func linuxRegisters(c *CPUNote, a Architecture) []uint64 {
	switch {
	case c.Architecture != a:
		return nil
	case a == AMD64:
		var s amd64.CPUState
		if s.UnmarshalBinary(c.State) != nil || s.Valid&amd64.StateGeneral == 0 {
			return nil
		}
		const noSystemCall = ^uint64(0) // orig_rax
		return []uint64{
			s.R15, s.R14, s.R13, s.R12, s.RBP, s.RBX, s.R11, s.R10, s.R9, s.R8, s.RAX, s.RCX, s.RDX, s.RSI, s.RDI, noSystemCall,
			s.RIP, uint64(s.CS), uint64(s.RFLAGS), s.RSP, uint64(s.SS),
			s.FSBase, s.GSBase, uint64(s.DS), uint64(s.ES), uint64(s.FS), uint64(s.GS),
		}
	}
	var s arm64.CPUState
	if s.UnmarshalBinary(c.State) != nil || s.Valid&arm64.StateGeneral == 0 {
		return nil
	}
	return append(append([]uint64(nil), s.X[:]...), s.SP, s.PC, uint64(s.PSTATE))
}
