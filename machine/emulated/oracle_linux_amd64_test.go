package emulated_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/seed64aab995/rescuekernel/machine"
)

// privilegedForm makes random instructions of a kind. What it needs in registers
// or memory it sets in s and in the words at privilegedData.
type privilegedForm struct {
	name string
	make func(o *oracle, s *machine.AMD64State, data []uint64) []byte
}

// choose picks one.
func choose[T any](o *oracle, list ...T) T { return list[o.random.IntN(len(list))] }

// bits is a value with some of these bits flipped.
func (o *oracle) bits(v uint64, bits ...int) uint64 {
	for range 1 + o.random.IntN(3) {
		v ^= 1 << choose(o, bits...)
	}
	return v
}

// address is canonical or not.
func (o *oracle) address() uint64 {
	return choose(o, 0, 0x9000, 0xffff800000000000, 0x7fffffffffff, 0x800000000000, 0xdead000000000000, o.random.Uint64())
}

func (o *oracle) selector() uint64 { return uint64(choose(o, selectors...)) }

var privilegedForms = []privilegedForm{
	{"MOV to CR0", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.bits(s.CR0, 1, 2, 3, 5, 16, 18, 29, 30, 31, 0)
		return []byte{0x0f, 0x22, 0xc0}
	}},
	{"MOV to CR2", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.random.Uint64()
		return []byte{0x0f, 0x22, 0xd0}
	}},
	{"MOV to CR3", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.bits(s.CR3, 3, 4)
		return []byte{0x0f, 0x22, 0xd8}
	}},
	{"MOV to CR4", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.bits(s.CR4, 2, 3, 4, 5, 6, 7, 9, 10, 24)
		return []byte{0x0f, 0x22, 0xe0}
	}},
	{"MOV to CR8", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = choose[uint64](o, 0, 1, 15, 16, 1<<40)
		return []byte{0x44, 0x0f, 0x22, 0xc0}
	}},
	{"MOV from CR", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		return choose(o, []byte{0x0f, 0x20, 0xc3}, []byte{0x0f, 0x20, 0xd3}, []byte{0x0f, 0x20, 0xdb}, []byte{0x0f, 0x20, 0xe3}, []byte{0x44, 0x0f, 0x20, 0xc3}, []byte{0x0f, 0x20, 0xcb})
	}},
	{"MOV DR", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = choose[uint64](o, 0, 0x400, 0x1234, 0xffff0ff0, 0xffffffff)
		return []byte{0x0f, choose[byte](o, 0x21, 0x23), 0xc0 | byte(o.random.IntN(6))<<3}
	}},
	{"WRMSR", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		msr := choose[uint64](o, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0x174, 0x277, 0x12345678)
		v := o.address()
		switch msr {
		case 0xc0000080:
			v = o.bits(s.EFER, 8, 11, 1, 30)
		case 0x277:
			v = choose[uint64](o, 0x0007040600070406, 0x0606060606060606, 0x0001040500060700)
		case 0xc0000084:
			v &= 0xffffffff
		}
		s.Registers[machine.RCX], s.Registers[machine.RAX], s.Registers[machine.RDX] = msr, v&0xffffffff, v>>32
		return []byte{0x0f, 0x30}
	}},
	{"RDMSR", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RCX] = choose[uint64](o, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102, 0x277, 0x12345678, 0xc0000fff)
		return []byte{0x0f, 0x32}
	}},
	{"LGDT, LIDT", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], data[1] = o.address()<<16|uint64(o.random.IntN(1<<16)), o.address()>>48
		s.Registers[machine.RSI] = privilegedData
		return []byte{0x0f, 0x01, choose[byte](o, 0x16, 0x1e)}
	}},
	{"SGDT, SIDT", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RSI] = privilegedData
		return []byte{0x0f, 0x01, choose[byte](o, 0x06, 0x0e)}
	}},
	{"LLDT", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.selector()
		return []byte{0x0f, 0x00, 0xd0}
	}},
	{"LTR", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.selector() &^ 4
		return []byte{0x0f, 0x00, 0xd8}
	}},
	{"MOV to segment", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.selector()
		return []byte{0x8e, 0xc0 | choose[byte](o, 0, 2, 3, 4, 5)<<3}
	}},
	{"POP FS, GS", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], s.Registers[machine.RSP] = o.selector(), privilegedData
		return []byte{0x0f, choose[byte](o, 0xa1, 0xa9)}
	}},
	{"RETF", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], data[1] = choose(o, privilegedHandler, o.address()), choose(o, 0x10, 0x10, o.selector())
		s.Registers[machine.RSP] = privilegedData
		return []byte{0x48, 0xcb}
	}},
	{"JMP far", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], data[1] = choose(o, privilegedHandler, o.address()), choose(o, 0x10, 0x10, o.selector())
		s.Registers[machine.RSI] = privilegedData
		return []byte{0x48, 0xff, 0x2e}
	}},
	{"IRET", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], data[1], data[2] = privilegedHandler, 0x10, 2|o.random.Uint64()&0x40ed5
		data[3], data[4] = choose(o, privilegedStack, o.address()), 0x18
		s.Registers[machine.RSP] = privilegedData
		return []byte{0x48, 0xcf}
	}},
	{"UD2", func(*oracle, *machine.AMD64State, []uint64) []byte { return []byte{0x0f, 0x0b} }},
	{"SWAPGS", func(*oracle, *machine.AMD64State, []uint64) []byte { return []byte{0x0f, 0x01, 0xf8} }},
	{"CLTS", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.CR0 |= 8
		return []byte{0x0f, 0x06}
	}},
	{"CLI, STI, CLD, STD", func(o *oracle, _ *machine.AMD64State, _ []uint64) []byte {
		return []byte{choose[byte](o, 0xfa, 0xfb, 0xfc, 0xfd)}
	}},
	{"POPF", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], s.Registers[machine.RSP] = o.random.Uint64()&^(1<<8), privilegedData
		return []byte{0x9d}
	}},
	{"INVLPG", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RSI] = o.address()
		return []byte{0x0f, 0x01, 0x3e}
	}},
	{"WBINVD", func(*oracle, *machine.AMD64State, []uint64) []byte { return []byte{0x0f, 0x09} }},
	{"WRFSBASE", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.CR4 |= 1 << 16
		s.Registers[machine.RAX] = o.address()
		return []byte{0xf3, 0x48, 0x0f, 0xae, 0xd0 | choose[byte](o, 0, 8)}
	}},
	{"RDFSBASE", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.CR4 |= 1 << 16
		return []byte{0xf3, 0x48, 0x0f, 0xae, 0xc0 | choose[byte](o, 0, 8)}
	}},
	{"SLDT, STR", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.random.Uint64()
		return append(choose(o, nil, []byte{0x66}, []byte{0x48}), 0x0f, 0x00, choose[byte](o, 0xc0, 0xc8))
	}},
	{"MOV from segment", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RAX] = o.random.Uint64()
		return append(choose(o, nil, []byte{0x66}, []byte{0x48}), 0x8c, 0xc0|byte(o.random.IntN(6))<<3)
	}},
	{"PUSH, POP", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], data[1], s.Registers[machine.RAX] = o.random.Uint64(), o.random.Uint64(), o.random.Uint64()
		s.Registers[machine.RSP] = privilegedData + 16
		return choose(o, []byte{0x50}, []byte{0x54}, []byte{0x66, 0x50}, []byte{0x58}, []byte{0x5c}, []byte{0x66, 0x58}, []byte{0x6a, 0x80},
			[]byte{0x68, 1, 2, 3, 0x84}, []byte{0x66, 0x68, 1, 0x82}, []byte{0xff, 0x34, 0x24}, []byte{0x8f, 0x04, 0x24}, []byte{0x8f, 0x44, 0x24, 0x10},
			[]byte{0x0f, 0xa0}, []byte{0x0f, 0xa8}, []byte{0x9c}, []byte{0x66, 0x9c})
	}},
	{"ENTER, LEAVE", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], s.Registers[machine.RBP] = o.random.Uint64(), privilegedData
		return choose(o, []byte{0xc8, 0x20, 0, 0}, []byte{0xc9})
	}},
	{"CALL, RET, JMP", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], s.Registers[machine.RSI] = choose[uint64](o, privilegedHandler, privilegedHandler+8, 0xdead000000000000), privilegedData
		s.Registers[machine.RAX] = data[0]
		if code := choose(o, []byte{0xc3}, []byte{0xc2, 0x10, 0}, nil); code != nil {
			s.Registers[machine.RSP] = privilegedData
			return code
		}
		return choose(o, []byte{0xe8, 0xfb, 0xbf, 0xff, 0xff}, []byte{0xe9, 0xfb, 0xbf, 0xff, 0xff}, []byte{0xff, 0xd0}, []byte{0xff, 0xe0}, []byte{0xff, 0x16}, []byte{0xff, 0x26})
	}},
	{"XLAT", func(o *oracle, s *machine.AMD64State, data []uint64) []byte {
		data[0], data[1] = o.random.Uint64(), o.random.Uint64()
		s.Registers[machine.RAX], s.Registers[machine.RBX] = o.random.Uint64()&^0xf0, privilegedData
		return []byte{0xd7}
	}},
	{"load and store", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RSI] = o.address()&^7 | choose[uint64](o, 0, 1)
		return choose(o, []byte{0x48, 0x8b, 0x06}, []byte{0x48, 0x89, 0x06}, []byte{0x48, 0x01, 0x06}, []byte{0x8a, 0x06})
	}},
	{"push where no stack is", func(o *oracle, s *machine.AMD64State, _ []uint64) []byte {
		s.Registers[machine.RSP] = choose[uint64](o, 0x8000000000000000, 0xdead000000000000, 0xffff800000000000)
		s.IDTR.Limit = 0x20*16 - 1
		return []byte{0x50}
	}},
}

// What is left out, because KVM here (kvm_pvm, which emulates ring 0 in software)
// does other than the architecture, or cannot be watched:
//
//   - bits 63:32 of CR0, CR4, DR6, DR7: it drops them, and raises no #GP;
//   - IA32_SYSENTER_ESP and EIP that are not canonical: AMD's CPUs take them;
//   - RDFSBASE and its like without CR4.FSGSBASE: they are executed all the same;
//   - LTR of a selector of the LDT: its error code is 0, not the selector;
//   - types of IA32_PAT that are none: it takes them;
//   - IRET to what is not canonical: it has the #GP at the target, not the IRET;
//   - IRET and SYSRET to where no NOPs are: a step ends an instruction later, that
//     of SYSRET in ring 3; vmtests run both;
//   - CR2 after two page faults that make a #DF: it has the first one's address;
//   - IRET with selectors that it must refuse, gates that are bad: it takes what is
//     no code, stack, or gate, and sets no accessed flags there;
//   - RETF to ring 3, INT n, INT3, CLAC, STAC, INVPCID, XGETBV, RDTSCP, VEX: it stops;
//   - HLT, which a step does not leave; SGDT and the like of its own tables;
//   - RFLAGS.TF in what exceptions push: it is that of the single step.

// TestPrivileged steps random privileged instructions under KVM and here, and
// compares all registers, what exceptions push, and what is written to
// descriptors.
func TestPrivileged(t *testing.T) {
	t.Parallel()
	n, seed := oracleCases(t, 60)
	o := newOracle(t, seed)
	for _, form := range privilegedForms {
		t.Run(form.name, func(t *testing.T) {
			o.t = t
			stuck, wrong := 0, 0
			for range n {
				before := machine.LongModeState(0, privilegedTables)
				before.EFER |= 1
				before.Registers[machine.RSP] = privilegedStack
				before.GDTR.Limit, before.IDTR = 0xff, machine.DescriptorTable{Base: privilegedIDT, Limit: 64*16 - 1}
				data := make([]uint64, 8)
				code := form.make(o, before, data)
				o.begin(append(slices.Clone(code), 0x90), func(s *machine.AMD64State) {
					s.Registers, s.CR0, s.CR4, s.IDTR = before.Registers, before.CR0, before.CR4, before.IDTR
				})
				for _, m := range o.machines {
					var b []byte
					for _, w := range data {
						b = binary.LittleEndian.AppendUint64(b, w)
					}
					if _, err := m.Memory().WritePhysical(b, privilegedData); err != nil {
						t.Fatal(err)
					}
				}
				different, cannot := o.step()
				if cannot {
					stuck++
					continue
				}
				if memory := o.differentMemory(); memory != "" {
					different += "; " + memory
				}
				if different != "" {
					wrong++
					if wrong <= 3 {
						t.Errorf("% x: %s\nrax %#x rcx %#x rdx %#x rsi %#x rsp %#x, data %#x", code, different, before.Registers[machine.RAX], before.Registers[machine.RCX],
							before.Registers[machine.RDX], before.Registers[machine.RSI], before.Registers[machine.RSP], data)
					}
				}
			}
			t.Logf("%d compared, %d that KVM here cannot, %d different", n-stuck, stuck, wrong)
		})
	}
}
