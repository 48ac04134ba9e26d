package vmtests

import "encoding/binary"

// EFI statuses (UEFI 2.10, appendix D).
const (
	efiInvalidParameter = 1<<63 | 2
	efiBufferTooSmall   = 1<<63 | 5
)

// fakeAMD64 is fake firmware's services in amd64's code. All addresses are below
// 2 GiB.
func fakeAMD64(f *fakeFirmware, mapSize int) []service {
	at := func(offset int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(f.base)+uint32(offset)) }
	number := func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
	code := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	count := func(counter int) []byte { return code([]byte{0xff, 0x04, 0x25}, at(counter)) } // inc dword [counter]
	done := []byte{0x31, 0xc0, 0xc3}                                                         // xor eax, eax; ret
	fail := func(status uint64) []byte {                                                     // mov rax, status; ret
		return append(binary.LittleEndian.AppendUint64([]byte{0x48, 0xb8}, status), 0xc3)
	}
	getMap := code(count(fakeMaps),
		[]byte{0x4c, 0x8b, 0x54, 0x24, 0x28}, []byte{0x41, 0xc7, 0x02}, number(1), // mov r10, [rsp+0x28]; mov dword [r10], 1
		[]byte{0x49, 0xc7, 0x01}, number(48), // mov qword [r9], 48
		[]byte{0x8b, 0x04, 0x25}, at(fakeMaps), []byte{0x49, 0x89, 0x00}, // mov eax, [maps]; mov [r8], rax
		[]byte{0x48, 0xc7, 0x01}, number(mapSize), // mov qword [rcx], size
		[]byte{0x56, 0x57, 0x48, 0x89, 0xd7, 0xbe}, at(fakeMap), // push rsi; push rdi; mov rdi, rdx; mov esi, map
		[]byte{0xb9}, number(mapSize), []byte{0xf3, 0xa4, 0x5f, 0x5e}, done) // mov ecx, size; rep movsb; pop rdi; pop rsi
	if f.noMap {
		getMap = fail(efiBufferTooSmall)
	}
	exit := code(count(fakeExits),
		[]byte{0x3b, 0x14, 0x25}, at(fakeMaps), []byte{0x75, 13}, // cmp edx, [maps]; jne fail
		[]byte{0x81, 0x3c, 0x25}, at(fakeExits), number(f.refusals+1), // cmp dword [exits], refusals+1
		done0AMD64(), fail(efiInvalidParameter))
	return []service{
		{fakeBoot + 0x98, code([]byte{0x49, 0xc7, 0x00}, at(fakeLoaded), done)}, // HandleProtocol: mov qword [r8], loaded
		{fakeBoot + 0x38, getMap},
		{fakeBoot + 0xe8, exit},
		{fakeConsole + 8, code(count(fakeOutputs), done)},
	}
}

// done0AMD64 returns success if the flags say not below: jb over 6 bytes; mov eax,
// 0; ret.
func done0AMD64() []byte { return []byte{0x72, 6, 0xb8, 0, 0, 0, 0, 0xc3} }

// fakeARM64 is fake firmware's services in arm64's code.
func fakeARM64(f *fakeFirmware, mapSize int) []service {
	address := func(offset uint64) uint64 { return uint64(f.base) + offset }
	words := func(list ...uint32) (code []byte) {
		for _, w := range list {
			code = binary.LittleEndian.AppendUint32(code, w)
		}
		return code
	}
	constant := func(register uint32, v uint64) []uint32 { // MOVZ, MOVK
		list := []uint32{0xd2800000 | uint32(v&0xffff)<<5 | register}
		for i := uint32(1); i < 4; i++ {
			list = append(list, 0xf2800000|i<<21|uint32(v>>(16*i)&0xffff)<<5|register)
		}
		return list
	}
	load := func(register, from uint32) uint32 { return 0xf9400000 | from<<5 | register }
	store := func(register, to uint32) uint32 { return 0xf9000000 | to<<5 | register }
	status := func(v uint64) []uint32 { return append(constant(0, v), 0xd65f03c0) } // and RET
	join := func(parts ...[]uint32) (all []uint32) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	count := func(counter uint64) []uint32 { // leaves the number in X10
		return join(constant(9, address(counter)), []uint32{load(10, 9), 0x9100054a, store(10, 9)})
	}
	getMap := join(count(fakeMaps), []uint32{store(10, 2)},
		constant(9, 48), []uint32{store(9, 3)}, constant(9, 1), []uint32{0xb9000089}, // STR W9, [X4]
		constant(9, uint64(mapSize)), []uint32{store(9, 0)}, constant(10, address(fakeMap)),
		// LDR X11, [X10], #8; STR X11, [X1], #8; SUB X9, X9, #8; CBNZ X9, back
		[]uint32{0xf840854b, 0xf800842b, 0xd1002129, 0xb5ffffa9}, status(0))
	if f.noMap {
		getMap = status(efiBufferTooSmall)
	}
	exit := join(count(fakeExits), constant(11, uint64(f.refusals+1)),
		[]uint32{0xeb0b015f, 0x54000003 | 11<<5},              // CMP X10, X11; B.LO to the failure, 11 words on
		constant(9, address(fakeMaps)), []uint32{load(11, 9)}, // X11: the last map's key
		[]uint32{0xeb0b003f, 0x54000001 | 4<<5}, // CMP X1, X11; B.NE likewise, 4 words on
		[]uint32{0xd2800000, 0xd65f03c0, 0xd503201f}, status(efiInvalidParameter))
	return []service{
		{fakeBoot + 0x98, words(join(constant(9, address(fakeLoaded)), []uint32{store(9, 2)}, status(0))...)},
		{fakeBoot + 0x38, words(getMap...)},
		{fakeBoot + 0xe8, words(exit...)},
		{fakeRuntime + 0x18, words(status(efiInvalidParameter)...)}, // GetTime: there is no clock
		{fakeConsole + 8, words(join(count(fakeOutputs), status(0))...)},
	}
}
