package vmtests

import (
	"bytes"
	"context"
	"debug/pe"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/efi"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machdep/amd64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/emulated"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// fakeFirmware is the least of UEFI that an EFI application needs, in the memory of
// an emulated machine: tables, and services of a few instructions. It can do what
// real firmware does seldom: refuse to end boot services, have no room for its map,
// load above 4 GiB.
type fakeFirmware struct {
	t       testing.TB
	machine machine.Machine
	said    *console
	base    physmem.Address // of its own page frames

	refusals int  // of ExitBootServices
	noMap    bool // GetMemoryMap fails
	options  string
	list     []efi.Descriptor

	block physmem.Address // of the image, once it is loaded
	entry uint64
}

// Where fake firmware has things, from its base on.
const (
	fakeSystem  = 0x0000
	fakeBoot    = 0x1000
	fakeRuntime = 0x2000
	fakeConsole = 0x2800
	fakeLoaded  = 0x3000
	fakeTables  = 0x3800
	fakeOptions = 0x4000
	fakeMap     = 0x5000
	fakeCode    = 0x6000 // 0x100 a service
	fakeReturn  = 0x6f00
	fakeStack   = 0x9000 // its top
	fakePaging  = 0xa000
	fakeSize    = 0x2_0000

	// Counters.
	fakeMaps    = 0x9000
	fakeExits   = 0x9008
	fakeOutputs = 0x9010
)

func (f *fakeFirmware) write(at physmem.Address, values ...any) {
	f.t.Helper()
	var data []byte
	for _, v := range values {
		var err error
		data, err = binary.Append(data, binary.LittleEndian, v)
		require.NoError(f.t, err)
	}
	_, err := f.machine.Memory().WritePhysical(data, at)
	require.NoError(f.t, err)
}

func (f *fakeFirmware) number(at physmem.Address) uint64 {
	f.t.Helper()
	var data [8]byte
	_, err := f.machine.Memory().ReadPhysical(data[:], at)
	require.NoError(f.t, err)
	return binary.LittleEndian.Uint64(data[:])
}

// load does with an EFI application what firmware does.
func (f *fakeFirmware) load(app []byte, at physmem.Address) {
	f.t.Helper()
	file, err := pe.NewFile(bytes.NewReader(app))
	require.NoError(f.t, err)
	h := file.OptionalHeader.(*pe.OptionalHeader64)
	image := make([]byte, h.SizeOfImage)
	for _, s := range file.Sections {
		data, err := s.Data()
		if s.Size != 0 {
			require.NoError(f.t, err)
			copy(image[s.VirtualAddress:][:s.VirtualSize], data)
		}
	}
	directory := h.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_BASERELOC]
	for list := image[directory.VirtualAddress:][:directory.Size]; len(list) > 0; {
		page, size := binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:])
		for e := 8; e < int(size); e += 2 {
			if fixup := binary.LittleEndian.Uint16(list[e:]); fixup != 0 {
				field := image[page+uint32(fixup&0xfff):]
				binary.LittleEndian.PutUint64(field, binary.LittleEndian.Uint64(field)+uint64(at))
			}
		}
		list = list[size:]
	}
	f.write(at, image)
	f.block, f.entry = at+bootimage.EFIHeaderSize, uint64(at)+uint64(h.AddressOfEntryPoint)
}

// install writes tables and services, and gives the CPU the application's entry.
func (f *fakeFirmware) install() {
	f.t.Helper()
	at := func(offset physmem.Address) uint64 { return uint64(f.base + offset) }
	f.write(f.base+fakeSystem+64, at(fakeConsole))
	f.write(f.base+fakeSystem+88, at(fakeRuntime), at(fakeBoot), uint64(1), at(fakeTables))
	f.write(f.base+fakeTables, uint64(0x1111), uint64(0x2222), uint64(0x3333))
	f.write(f.base+fakeLoaded+48, uint32(2*len(f.options)), uint32(0), at(fakeOptions))
	for i, c := range f.options {
		f.write(f.base+fakeOptions+physmem.Address(2*i), uint16(c))
	}
	data, err := (&efi.Map{DescriptorSize: 48, Version: 1, Descriptors: f.list}).AppendBinary(nil)
	require.NoError(f.t, err)
	f.write(f.base+fakeMap, data)
	services := fakeAMD64(f, len(data))
	if f.machine.Architecture() == machine.ARM64 {
		services = fakeARM64(f, len(data))
	}
	for i, s := range services {
		code := f.base + fakeCode + physmem.Address(0x100*i)
		f.write(code, s.code)
		f.write(f.base+s.slot, uint64(code))
	}
	f.start()
}

// start is firmware's call of the application.
func (f *fakeFirmware) start() {
	f.t.Helper()
	if f.machine.Architecture() == machine.ARM64 {
		s := &machine.ARM64State{PCReg: f.entry, CurSP: uint64(f.base + fakeStack), PSTATE: 0x3c5, System: map[string]uint64{}}
		s.X[0], s.X[1], s.X[30] = 0x1234, uint64(f.base+fakeSystem), uint64(f.base+fakeReturn)
		s.X[19], s.X[26] = 19, 26
		require.NoError(f.t, f.machine.SetState(0, s))
		return
	}
	frames := &fakeFrames{f.base + fakePaging}
	b, err := amd64.NewBuilder(f.machine.Memory(), frames, amd64.Paging{Levels: 4})
	require.NoError(f.t, err)
	b.AllowWriteExecute = true
	require.NoError(f.t, b.MapIdentity(physmem.Range{End: 8 << 30}, amd64.Write|amd64.Execute, 2<<20))
	s := machine.LongModeState(f.entry, b.Paging().Root)
	f.write(f.base+fakeStack-8, uint64(f.base+fakeReturn))
	s.Registers[machine.RSP], s.Registers[machine.RCX], s.Registers[machine.RDX] = uint64(f.base+fakeStack-8), 0x1234, uint64(f.base+fakeSystem)
	s.Registers[machine.RBX], s.Registers[machine.R15] = 19, 26
	require.NoError(f.t, f.machine.SetState(0, s))
}

// fakeFrames gives pages one after the other.
type fakeFrames struct{ next physmem.Address }

func (f *fakeFrames) AllocateTable(size uint64) (physmem.Address, error) {
	f.next += physmem.Address(size)
	return f.next - physmem.Address(size), nil
}

// service is code, and the slot in one of the tables that points to it.
type service struct {
	slot physmem.Address
	code []byte
}

// runTo runs the machine to an address.
func (f *fakeFirmware) runTo(address uint64) machine.State {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
	defer cancel()
	exit, err := f.machine.RunTo(ctx, address)
	require.NoError(f.t, err)
	require.Equal(f.t, machine.Breakpoint, exit.Reason, "%v\n%s", exit, f.said)
	state, err := f.machine.State(0)
	require.NoError(f.t, err)
	return state
}

// newFake makes a machine with RAM where the ranges are, fake firmware in the first
// one, and a host as an application at another place.
func newFake(t testing.TB, architecture machine.Architecture, base, image physmem.Address, ram ...physmem.Range) *fakeFirmware {
	t.Helper()
	app, err := bootimage.WrapEFI(bytes.NewReader(hostProgram.imageFor(t, architecture)), bootimage.EFIOptions{
		CommandLine: "hostname=anvil", Module: rescueProgram.imageFor(t, architecture),
	})
	require.NoError(t, err)
	f := &fakeFirmware{t: t, base: base, said: &console{}, options: "after=11ms"}
	create := emulated.New
	config := machine.Config{Serial: f.said, RAM: physmem.NewRanges(ram...)}
	if architecture == machine.ARM64 {
		create = emulated.NewARM64
		config.RAM, config.MemorySize = nil, ram[0].Size()
	}
	f.machine, err = create(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.machine.Close()) })
	for _, r := range ram {
		f.list = append(f.list, efi.Descriptor{Type: efi.TypeConventional, PhysicalStart: r.Start, Pages: r.Size() / 4096, Attribute: 1 << 3})
	}
	f.load(app, image)
	return f
}

// The entry of an EFI application, with firmware that makes it hard.
func TestEFIStub(t *testing.T) {
	low := physmem.Range{Start: 0x10_0000, End: 96 << 20}
	high := physmem.Range{Start: 5 << 30, End: 5<<30 + 32<<20}
	board := physmem.Range{Start: 1 << 30, End: 1<<30 + 96<<20}
	for _, test := range []struct {
		name         string
		architecture machine.Architecture
		base, image  physmem.Address
		ram          []physmem.Range
		refusals     int
	}{
		{"amd64", machine.AMD64, 0x20_0000, 0x123_4000, []physmem.Range{{End: 0xa0000}, low}, 0},
		{"amd64, the map changes", machine.AMD64, 0x20_0000, 0x123_4000, []physmem.Range{{End: 0xa0000}, low}, 3},
		{"amd64 above 4 GiB", machine.AMD64, 0x20_0000, high.Start + 0x12_3000, []physmem.Range{{End: 0xa0000}, low, high}, 0},
		{"arm64", machine.ARM64, board.Start + 0x20_0000, board.Start + 0x123_4000, []physmem.Range{board}, 0},
		{"arm64, the map changes", machine.ARM64, board.Start + 0x20_0000, board.Start + 0x123_4000, []physmem.Range{board}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t, test.architecture, test.base, test.image, test.ram...)
			f.refusals = test.refusals
			f.install()
			header := make([]byte, handoff.HeaderLength)
			_, err := f.machine.Memory().ReadPhysical(header, f.block)
			require.NoError(t, err)
			state := f.runTo(binary.LittleEndian.Uint64(header[handoff.OffsetEntry:]))
			switch s := state.(type) {
			case *machine.AMD64State:
				require.EqualValues(t, f.block, s.Registers[machine.RDI])
				require.EqualValues(t, handoff.DirectMapBase+uint64(f.block), s.Registers[machine.RSI])
				require.EqualValues(t, handoff.EntryStackTop, s.Registers[machine.RSP])
				require.EqualValues(t, 2, s.RFLAGS)
				require.EqualValues(t, uint64(f.block)+binary.LittleEndian.Uint64(header[handoff.OffsetRoot4:]), s.CR3)
				require.Zero(t, s.IDTR.Limit)
			case *machine.ARM64State:
				require.EqualValues(t, f.block, s.X[0])
				require.EqualValues(t, handoff.DirectMapBase+uint64(f.block), s.X[1])
				require.EqualValues(t, handoff.EntryStackTop, s.CurSP)
			}
			require.EqualValues(t, test.refusals+1, f.number(f.base+fakeExits))
			require.EqualValues(t, test.refusals+1, f.number(f.base+fakeMaps))
			require.Zero(t, f.number(f.base+fakeOutputs))

			// The host finds its way with what it got. (On arm64 it needs tables for
			// that, which this firmware has not.)
			if f.block < 1<<32 {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			exit, err := f.machine.Run(ctx)
			require.NoError(t, err)
			require.Contains(t, []machine.Reason{machine.DebugExit, machine.PoweredOff}, exit.Reason, "%v\n%s", exit, f.said)
			require.Contains(t, f.said.String(), "host: worked for 11ms")
			require.Contains(t, f.said.String(), "host: done")
		})
	}
}

// Where firmware has no map to give, the application says so and returns as it came.
func TestEFIStubGivesUp(t *testing.T) {
	low := physmem.Range{Start: 0x10_0000, End: 96 << 20}
	board := physmem.Range{Start: 1 << 30, End: 1<<30 + 96<<20}
	for _, test := range []struct {
		architecture machine.Architecture
		base, image  physmem.Address
		ram          physmem.Range
	}{
		{machine.AMD64, 0x20_0000, 0x123_4000, low}, {machine.ARM64, board.Start + 0x20_0000, board.Start + 0x123_4000, board},
	} {
		t.Run(string(test.architecture), func(t *testing.T) {
			f := newFake(t, test.architecture, test.base, test.image, test.ram)
			f.noMap = true
			f.install()
			state := f.runTo(uint64(f.base + fakeReturn))
			var status, first, last, stack uint64
			switch s := state.(type) {
			case *machine.AMD64State:
				status, first, last, stack = s.Registers[machine.RAX], s.Registers[machine.RBX], s.Registers[machine.R15], s.Registers[machine.RSP]
			case *machine.ARM64State:
				status, first, last, stack = s.X[0], s.X[19], s.X[26], s.CurSP
			}
			require.EqualValues(t, uint64(1<<63|9), status, "EFI_OUT_OF_RESOURCES")
			require.Equal(t, []uint64{19, 26, uint64(f.base + fakeStack)}, []uint64{first, last, stack}, "what the caller keeps")
			require.EqualValues(t, 1, f.number(f.base+fakeOutputs))
			require.Zero(t, f.number(f.base+fakeExits))
		})
	}
}
