package amd64

import (
	"github.com/seed64aab995/rescuekernel/machine"
)

// Model-specific registers (Intel SDM 4).
const (
	msrTSC          = 0x10
	msrAPICBase     = 0x1b
	msrFeature      = 0x3a
	msrTSCAdjust    = 0x3b
	msrMicrocode    = 0x8b
	msrMTRRCap      = 0xfe
	msrSysenterCS   = 0x174
	msrSysenterESP  = 0x175
	msrSysenterEIP  = 0x176
	msrMisc         = 0x1a0
	msrPAT          = 0x277
	msrMTRRDefault  = 0x2ff
	msrEFER         = 0xc0000080
	msrSTAR         = 0xc0000081
	msrLSTAR        = 0xc0000082
	msrCSTAR        = 0xc0000083
	msrFMASK        = 0xc0000084
	msrFSBase       = 0xc0000100
	msrGSBase       = 0xc0000101
	msrKernelGSBase = 0xc0000102
	msrTSCAux       = 0xc0000103
)

// msrs are the registers that are no more than storage here, or whose value is
// looked at elsewhere.
type msrs struct {
	star, lstar, cstar, fmask uint64
	kernelGSBase              uint64
	pat                       uint64
	tscAux                    uint64
	sysenter                  [3]uint64
	misc, mtrrDefault         uint64
}

// plain is the storage of an MSR that has nothing else to it.
func (c *CPU) plain(n uint32) *uint64 {
	switch n {
	case msrSTAR:
		return &c.msr.star
	case msrLSTAR:
		return &c.msr.lstar
	case msrCSTAR:
		return &c.msr.cstar
	case msrFMASK:
		return &c.msr.fmask
	case msrKernelGSBase:
		return &c.msr.kernelGSBase
	case msrPAT:
		return &c.msr.pat
	case msrTSCAux:
		return &c.msr.tscAux
	case msrSysenterCS, msrSysenterESP, msrSysenterEIP:
		return &c.msr.sysenter[n-msrSysenterCS]
	case msrMisc:
		return &c.msr.misc
	case msrMTRRDefault:
		return &c.msr.mtrrDefault
	}
	p, _ := c.cetMSR(n)
	return p
}

func operationReadMSR(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	var v uint64
	switch n := uint32(c.r[machine.RCX]); n {
	case msrTSC:
		v = c.now() + uint64(in.ordinal) + c.tscOffset
	case msrTSCAdjust:
		v = c.tscOffset
	case msrAPICBase:
		v = c.apic.base
	case msrFeature, msrMicrocode, msrMTRRCap:
	case msrEFER:
		v = c.efer
	case msrFSBase:
		v = c.segments[segFS].Base
	case msrGSBase:
		v = c.segments[segGS].Base
	default:
		p := c.plain(n)
		if p == nil {
			return c.general(0)
		}
		v = *p
	}
	c.set(machine.RAX, 4, v)
	c.set(machine.RDX, 4, v>>32)
	return true
}

func operationWriteMSR(c *CPU, in *inst) bool {
	if c.cpl != 0 {
		return c.general(0)
	}
	v := c.get(machine.RDX, 4)<<32 | c.get(machine.RAX, 4)
	n := uint32(c.r[machine.RCX])
	switch n {
	case msrLSTAR, msrCSTAR, msrKernelGSBase, msrFSBase, msrGSBase, msrSysenterESP, msrSysenterEIP:
		if !c.canonical(v) {
			return c.general(0)
		}
	}
	switch n {
	case msrTSC:
		c.tscOffset = v - c.now() - uint64(in.ordinal)
	case msrTSCAdjust:
		c.tscOffset = v
	case msrAPICBase:
		return c.apic.setBase(c, v) && c.end(in)
	case msrEFER:
		if v&^eferKnown != 0 || (v^c.efer)&eferLME != 0 && c.cr0&cr0PG != 0 {
			return c.general(0)
		}
		c.efer = v&^eferLMA | c.efer&eferLMA
		c.contextSwitched()
		return c.end(in)
	case msrFSBase:
		c.segments[segFS].Base, c.r[regFS] = v, v
	case msrGSBase:
		c.segments[segGS].Base, c.r[regGS] = v, v
	case msrPAT:
		for i := range 8 {
			if t := v >> (8 * i) & 0xff; t > 7 || t == 2 || t == 3 {
				return c.general(0)
			}
		}
		c.msr.pat = v
	default:
		p := c.plain(n)
		if p == nil {
			return c.general(0)
		}
		if q, known := c.cetMSR(n); q != nil && (v&^known != 0 || !c.canonical(v)) {
			return c.general(0)
		}
		*p = v
		if n == msrKernelCET || n == msrUserCET {
			return c.end(in)
		}
	}
	return true
}
