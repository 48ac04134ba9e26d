//go:build unix

package qemu

import (
	"encoding/binary"

	"github.com/seed64aab995/rescuekernel/machine"
)

// Model specific registers that the code loads (Intel SDM 4, table 2-2).
const (
	msrPAT    = 0x277
	msrSTAR   = 0xc0000081
	msrLSTAR  = 0xc0000082
	msrCSTAR  = 0xc0000083
	msrFMASK  = 0xc0000084
	implantAt = implantBase + implantData
)

// writeCode makes the code that loads what the stub cannot set. RBX is the
// data's address.
func (i *implanting) writeCode(s *machine.AMD64State) error {
	order := binary.LittleEndian
	var data []byte
	word := func(v uint64) byte { // gives the offset of the word
		data = order.AppendUint64(data, v)
		return byte(len(data) - 8)
	}
	gdtr := word(uint64(s.GDTR.Limit) | s.GDTR.Base<<16)
	word(s.GDTR.Base >> 48)
	idtr := word(uint64(s.IDTR.Limit) | s.IDTR.Base<<16)
	word(s.IDTR.Base >> 48)

	code := order.AppendUint64([]byte{0x48, 0xbb}, implantAt) // mov rbx, implantAt
	add := func(b ...byte) { code = append(code, b...) }
	for _, r := range []struct {
		number uint32
		value  uint64
	}{{msrPAT, s.PAT}, {msrSTAR, s.STAR}, {msrLSTAR, s.LSTAR}, {msrCSTAR, s.CSTAR}, {msrFMASK, s.FMASK}} {
		if r.value == 0 {
			continue // as after reset
		}
		code = order.AppendUint32(append(code, 0xb9), r.number)            // mov ecx, number
		code = order.AppendUint32(append(code, 0xb8), uint32(r.value))     // mov eax, low
		code = order.AppendUint32(append(code, 0xba), uint32(r.value>>32)) // mov edx, high
		add(0x0f, 0x30)                                                    // wrmsr
	}
	if s.FXSAVE != [512]byte{} {
		add(0x48, 0x0f, 0xae, 0x8b)
		code = order.AppendUint32(code, implantFX-implantData) // fxrstor64 [rbx+...]
	}
	for n, v := range []uint64{s.DR[0], s.DR[1], s.DR[2], s.DR[3], s.DR6, s.DR7} {
		if v == 0 {
			continue
		}
		number := []byte{0, 1, 2, 3, 6, 7}[n]
		add(0x48, 0x8b, 0x43, word(v), 0x0f, 0x23, 0xc0|number<<3) // mov rax, [rbx+offset]; mov drN, rax
	}
	add(0x0f, 0x01, 0x53, gdtr, 0x0f, 0x01, 0x5b, idtr) // lgdt [rbx+gdtr]; lidt [rbx+idtr]
	if s.LDTR.Selector&^3 != 0 {
		code = order.AppendUint32(append(code, 0xb8), uint32(s.LDTR.Selector)) // mov eax, selector
		add(0x0f, 0x00, 0xd0)                                                  // lldt ax
	}
	if s.TR.Selector&^3 != 0 {
		code = order.AppendUint32(append(code, 0xb8), uint32(s.TR.Selector)) // mov eax, selector
		add(0x0f, 0x00, 0xd8)                                                // ltr ax
	}
	i.spin = uint64(len(code))
	add(0xeb, 0xfe) // jmp to itself
	page := make([]byte, machine.PageSize)
	copy(page[implantCode:], code)
	copy(page[implantData:], data)
	copy(page[implantFX:], s.FXSAVE[:])
	_, err := i.memory.WritePhysical(page, implantPages)
	return err
}
