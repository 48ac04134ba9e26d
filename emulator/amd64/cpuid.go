package amd64

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machine"
)

const (
	physicalBits = 46
	cpuSignature = 0x00000f10 // family 15, model 1: none of Intel's or AMD's with errata

	// Kilohertz is how fast virtual time goes on by the CPU's own account: one
	// tick an instruction.
	Kilohertz = 1_000_000
)

// vendor and hypervisor are what CPUID calls this CPU and its machine.
const (
	vendor     = "RescueKernel"
	hypervisor = "EmulatorGo64"
	brand      = "Emulated amd64 CPU"
)

// Feature bits that CPUID tells of (Intel SDM 2A, CPUID, tables 3-10 and 3-11).
const (
	leaf1EDX = 1<<0 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<13 | 1<<15 | 1<<16 | 1<<19 | // FPU PSE TSC MSR PAE MCE CX8 PGE CMOV PAT CLFSH
		1<<24 | 1<<25 | 1<<26 // FXSR SSE SSE2
	leaf1EDXAPIC = 1 << 9
	leaf1ECX     = 1<<0 | 1<<9 | 1<<13 | 1<<17 | 1<<19 | 1<<20 | 1<<23 | 1<<31 // SSE3 SSSE3 CX16 PCID SSE4.1 SSE4.2 POPCNT hypervisor
	leaf7EBX     = 1<<0 | 1<<7 | 1<<9 | 1<<10 | 1<<20 | 1<<29                  // FSGSBASE SMEP ERMS INVPCID SMAP SHA
	leaf7ECX     = 1<<2 | 1<<3 | 1<<7 | 1<<16                                  // UMIP PKU SHSTK LA57
	leaf7EDX     = 1 << 20                                                     // IBT
	extendedEDX  = 1<<11 | 1<<20 | 1<<26 | 1<<27 | 1<<29                       // SYSCALL NX 1-GiB pages RDTSCP LM
	extendedECX  = 1 << 0                                                      // LAHF
)

// cpuid answers a leaf (Intel SDM 2A, CPUID).
func (c *CPU) cpuid(leaf, sub uint32) (a, b, cx, d uint32) {
	switch leaf {
	case 0:
		b, d, cx = words(vendor)
		return 0x15, b, cx, d
	case 1:
		d = leaf1EDX
		if c.apic.present && c.apic.base&apicEnable != 0 {
			d |= leaf1EDXAPIC
		}
		cx = leaf1ECX
		return cpuSignature, uint32(c.index)<<24 | 8<<8, cx, d
	case 7:
		if sub == 0 {
			cx = leaf7ECX
			if c.cr4&cr4PKE != 0 {
				cx |= 1 << 4 // OSPKE
			}
			return 0, leaf7EBX, cx, leaf7EDX
		}
	case 0x15: // TSC = crystal * b / a
		return 1, 40, Kilohertz / 40 * 1000, 0
	case 0x40000000:
		b, cx, d = words(hypervisor)
		return 0x40000010, b, cx, d
	case 0x40000010:
		return Kilohertz, 0, 0, 0
	case 0x80000000:
		return 0x80000008, 0, 0, 0
	case 0x80000001:
		return 0, 0, extendedECX, extendedEDX
	case 0x80000002, 0x80000003, 0x80000004:
		var text [48]byte
		copy(text[:], brand)
		w := text[(leaf-0x80000002)*16:]
		o := binary.LittleEndian
		return o.Uint32(w), o.Uint32(w[4:]), o.Uint32(w[8:]), o.Uint32(w[12:])
	case 0x80000007:
		return 0, 0, 0, 1 << 8 // invariant TSC
	case 0x80000008:
		return physicalBits | 57<<8, 0, 0, 0
	}
	return 0, 0, 0, 0
}

// words are twelve characters as three registers hold them.
func words(s string) (a, b, c uint32) {
	o := binary.LittleEndian
	return o.Uint32([]byte(s)), o.Uint32([]byte(s[4:])), o.Uint32([]byte(s[8:]))
}

func operationCPUID(c *CPU, in *inst) bool {
	a, b, cx, d := c.cpuid(uint32(c.r[machine.RAX]), uint32(c.r[machine.RCX]))
	if leaf := uint32(c.r[machine.RAX]); leaf == 1 && c.cr4&cr4OSXSAVE != 0 {
		cx |= 1 << 27
	}
	c.r[machine.RAX], c.r[machine.RBX], c.r[machine.RCX], c.r[machine.RDX] = uint64(a), uint64(b), uint64(cx), uint64(d)
	return true
}
