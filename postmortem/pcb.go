package postmortem

import (
	"encoding/binary"
	"fmt"

	"github.com/seed64aab995/rescuekernel/minidump"
)

// pcbLayout is where a FreeBSD struct pcb keeps registers: words from its
// start, "" for words that are none.
type pcbLayout []string

// amd64/include/pcb.h.
var pcbAMD64 = pcbLayout{"r15", "r14", "r13", "r12", "rbp", "rsp", "rbx", "rip"}

// arm64/include/pcb.h up to FreeBSD 13: pcb_x[30], pcb_lr, a reserved word
// (once pcb_pc), pcb_sp.
var pcbARM64 = pcbLayout{
	"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
	"x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29",
	"x30", "", "sp",
}

// arm64/include/pcb.h from FreeBSD 14 on: pcb_x[12], from x19 to lr, and
// pcb_sp.
var pcbARM64From14 = pcbLayout{
	"x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",
}

const (
	// osreldateShortPCB is __FreeBSD_version of the change to the short pcb.
	osreldateShortPCB = 1400084
	// pcbSizeLongARM64 is sizeof(struct pcb) in FreeBSD 13, the last long one.
	pcbSizeLongARM64 = 1376
)

// pcbLayout chooses the layout. The kernel's osreldate decides on arm64; where
// it cannot be read, the size does.
func (k *Kernel) pcbLayout(size int32) pcbLayout {
	if k.Architecture == minidump.AMD64 {
		return pcbAMD64
	}
	if s, ok := k.Symbols.Lookup("osreldate"); ok {
		if release, err := k.int32(s.Address, "osreldate"); err == nil && release > 0 {
			if release >= osreldateShortPCB {
				return pcbARM64From14
			}
			return pcbARM64
		}
	}
	if size < pcbSizeLongARM64 {
		return pcbARM64From14
	}
	return pcbARM64
}

// readPCB reads the registers in the pcb at address.
func (k *Kernel) readPCB(layout pcbLayout, address uint64) (Registers, error) {
	data := make([]byte, 8*len(layout))
	if err := k.read(data, address, "pcb"); err != nil {
		return Registers{}, err
	}
	r := Registers{Architecture: k.Architecture}
	for i, name := range layout {
		if name != "" {
			r.List = append(r.List, Register{name, binary.LittleEndian.Uint64(data[8*i:])})
		}
	}
	// arm64 keeps no pc: the thread goes on where the switch returns to.
	if lr, ok := r.Get("x30"); ok {
		r.List = append(r.List, Register{"pc", lr})
	}
	return r, nil
}

// stopPCB is the address of the pcb that a CPU saved when it was stopped. The
// symbol is an array, or a pointer to one.
func (k *Kernel) stopPCB(cpu, size int32) (uint64, error) {
	s, ok := k.Symbols.Lookup("stoppcbs")
	if !ok {
		return 0, fmt.Errorf("stoppcbs of CPU %d: %w", cpu, ErrNotFreeBSD)
	}
	const maxCPU = 1 << 16
	if cpu < 0 || cpu >= maxCPU || s.Size > 8 && uint64(cpu+1)*uint64(size) > s.Size {
		return 0, fmt.Errorf("stoppcbs: CPU %d is not in its %d bytes: %w", cpu, s.Size, ErrDamaged)
	}
	base := s.Address
	if s.Size == 8 {
		pointer, err := k.uint64(s.Address, "stoppcbs")
		if err != nil {
			return 0, err
		}
		base = pointer
	}
	return base + uint64(cpu)*uint64(size), nil
}
