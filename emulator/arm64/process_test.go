package arm64

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// process runs a static Go program for linux/arm64 at EL0 of an emulated CPU,
// and answers its system calls: enough of them for programs that compute and
// print. Pages come into being when they are touched. Threads take turns, time
// is the number of instructions.
type process struct {
	t      testing.TB
	cpu    *CPU
	memory *emulator.Memory
	next   uint64 // frame
	area   uint64 // where mmap goes on

	threads []*thread
	current int
	skipped uint64 // time that nobody had anything to do

	out    bytes.Buffer
	exited bool
	code   uint64
}

// thread is a thread that does not run.
type thread struct {
	id         uint64
	x          [31]uint64
	sp, pc     uint64
	spsr       uint64
	v          [32]word128
	fpcr, fpsr uint64
	tls        uint64

	futex    uint64 // address that it waits at
	deadline uint64 // when it goes on by itself; 0: never
	waits    bool
	dead     bool
}

const (
	processMemory = 1 << 30
	processRoot   = 0x1000
	processVector = 0x8000
	processStack  = 0x7fff_0000_0000 // its end
	processSlice  = 100_000
)

func newProcess(t testing.TB, model Model, path string, arguments ...string) *process {
	t.Helper()
	p := &process{t: t, next: 0x10000, area: 0x5000_0000_0000}
	p.memory = emulator.NewMemory(physmem.NewRanges(physmem.Range{End: processMemory}))
	exit := &machine.Exit{Reason: machine.DebugExit}
	p.cpu = New(0, p.memory, Config{Model: model, Firmware: func(*CPU, Conduit) (bool, *machine.Exit) { return true, exit }})
	p.vectors()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	require.NoError(t, p.cpu.SetState(&machine.ARM64State{PSTATE: 0, PCReg: file.Entry, System: map[string]uint64{
		"SCTLR_EL1": 0x30d0198d | 1<<26 | 1<<14 | 1<<15, "TCR_EL1": 16 | 1<<23 | 5<<32, "TTBR0_EL1": processRoot, "MAIR_EL1": 0xff,
		"CPACR_EL1": 3 << 20, "VBAR_EL1": processVector,
	}}))
	for _, s := range file.Progs {
		if s.Type == elf.PT_LOAD {
			data := make([]byte, s.Filesz)
			_, err := s.ReadAt(data, 0)
			require.NoError(t, err)
			p.write(s.Vaddr, data)
		}
	}
	p.stack(append([]string{path}, arguments...))
	p.threads = []*thread{{id: 1}}
	return p
}

func (p *process) poke(at physmem.Address, v uint64, size int) {
	_, err := p.memory.WritePhysical(binary.LittleEndian.AppendUint64(nil, v)[:size], at)
	require.NoError(p.t, err)
}

func (p *process) peek(at physmem.Address) uint64 {
	var b [8]byte
	_, err := p.memory.ReadPhysical(b[:], at)
	require.NoError(p.t, err)
	return binary.LittleEndian.Uint64(b[:])
}

// frame is a page of zeros.
func (p *process) frame() uint64 {
	f := p.next
	p.next += emulator.PageSize
	require.Less(p.t, p.next, uint64(processMemory), "the program needs too much memory")
	return f
}

// page gives the physical address of a page, which it makes where there is none
// and make is set; 0 else.
func (p *process) page(va uint64, make bool) uint64 {
	table := uint64(processRoot)
	for level := range 4 {
		at := physmem.Address(table + va>>(39-9*level)&511*8)
		entry := p.peek(at)
		if entry&1 == 0 {
			if !make {
				return 0
			}
			entry = p.frame() | 3
			if level == 3 {
				entry |= 1<<10 | 3<<8 | 1<<6 | 1<<53
			}
			p.poke(at, entry, 8)
		}
		table = entry & 0xffff_ffff_f000
	}
	return table
}

// setLeaf sets the entry of a page whose tables are there.
func (p *process) setLeaf(va, entry uint64) {
	table := uint64(processRoot)
	for level := range 3 {
		table = p.peek(physmem.Address(table+va>>(39-9*level)&511*8)) & 0xffff_ffff_f000
	}
	p.poke(physmem.Address(table+va>>12&511*8), entry, 8)
}

// vectors are EL1: each is HVC #0, which stops the machine.
func (p *process) vectors() {
	p.page(processVector, true)
	p.setLeaf(processVector, processVector|3|1<<10|3<<8|2<<6|1<<54) // read only, not for EL0 to execute
	for offset := physmem.Address(0); offset < 0x800; offset += 0x80 {
		p.poke(processVector+offset, 0xd4000002, 4)
	}
}

// unmap takes pages away.
func (p *process) unmap(va, size uint64) {
	for end := va + size; va < end; va += emulator.PageSize {
		if p.page(va, false) != 0 {
			p.setLeaf(va, 0)
		}
	}
	p.cpu.lookups.dropAll()
	p.cpu.flushFast()
}

func (p *process) write(va uint64, b []byte) {
	for len(b) > 0 {
		n := min(len(b), int(emulator.PageSize-va&pageMask))
		_, err := p.memory.WritePhysical(b[:n], physmem.Address(p.page(va, true)|va&pageMask))
		require.NoError(p.t, err)
		va, b = va+uint64(n), b[n:]
	}
}

func (p *process) read(va uint64, n int) []byte {
	b := make([]byte, n)
	for done := 0; done < n; {
		piece := min(n-done, int(emulator.PageSize-(va+uint64(done))&pageMask))
		_, err := p.memory.ReadPhysical(b[done:done+piece], physmem.Address(p.page(va+uint64(done), true)|(va+uint64(done))&pageMask))
		require.NoError(p.t, err)
		done += piece
	}
	return b
}

func (p *process) write64(va, v uint64) { p.write(va, binary.LittleEndian.AppendUint64(nil, v)) }

// stack puts arguments, environment and the auxiliary vector where Linux does.
func (p *process) stack(arguments []string) {
	strings := uint64(processStack - 0x1000)
	var words []uint64
	text := func(s string) uint64 {
		at := strings
		p.write(at, append([]byte(s), 0))
		strings += uint64(len(s)) + 1
		return at
	}
	words = append(words, uint64(len(arguments)))
	for _, a := range arguments {
		words = append(words, text(a))
	}
	capabilities := uint64(1<<0 | 1<<1) // FP, ASIMD
	for f, bit := range map[feature]uint64{
		featureAES: 3, featurePMULL: 4, featureSHA1: 5, featureSHA256: 6, featureCRC32: 7, featureLSE: 8, featureSHA3: 17, featureSHA512: 21,
	} {
		if p.cpu.has&f != 0 {
			capabilities |= 1 << bit
		}
	}
	const typePageSize, typeCapabilities, typeRandom = 6, 16, 25
	words = append(words, 0, text("GODEBUG=asyncpreemptoff=1"), 0,
		typePageSize, emulator.PageSize, typeCapabilities, capabilities, typeRandom, text("sixteen bytes...."), 0, 0)
	sp := uint64(processStack-0x2000) - uint64(8*len(words))&^15
	for i, w := range words {
		p.write64(sp+uint64(8*i), w)
	}
	p.cpu.r[regSP] = sp
}

// run executes the program until it exits, and gives what it printed.
func (p *process) run() string {
	for !p.exited {
		exit := p.cpu.Run(p.cpu.count+processSlice, false)
		if exit == nil {
			if p.cpu.level == 0 && len(p.threads) > 1 {
				p.pause(p.cpu.pstate(), p.cpu.pc)
				p.schedule()
			}
			continue
		}
		require.Equal(p.t, machine.DebugExit, exit.Reason, "%v\n%s", exit, exit.Detail)
		p.exception()
	}
	return p.out.String()
}

// exception deals with one: a system call, or a page that is not there.
func (p *process) exception() {
	c := p.cpu
	class := arm64.Class(c.sys.esr[1] >> 26)
	switch class {
	case arm64.ClassSVC:
		p.call()
		return
	case arm64.ClassDataLower, arm64.ClassInstructionLower:
		if va := c.sys.far[1]; va >= 0x10000 && p.page(va, false) == 0 {
			p.page(va, true)
			p.resume()
			return
		}
	}
	p.t.Fatalf("exception %v (ESR %#x) at %#x, FAR %#x, LR %#x\n%s", class, c.sys.esr[1], c.sys.elr[1], c.sys.far[1], c.r[30], p.out.String())
}

// resume goes on where the exception was.
func (p *process) resume() {
	p.cpu.setPSTATE(p.cpu.sys.spsr[1])
	p.cpu.pc = p.cpu.sys.elr[1]
}

// pause keeps the registers of the running thread.
func (p *process) pause(pstate, pc uint64) {
	c, t := p.cpu, p.threads[p.current]
	copy(t.x[:], c.r[:31])
	t.spsr, t.pc = pstate, pc
	t.sp = c.stacks[0]
	if c.level == 0 {
		t.sp = c.r[regSP]
	}
	t.v, t.fpcr, t.fpsr, t.tls = c.v, c.fpcr, c.fpsr, c.sys.tpidr[0]
}

// now is the time in nanoseconds.
func (p *process) now() uint64 { return p.cpu.count + p.skipped }

// schedule lets the next thread run that can; where none can, time goes on.
func (p *process) schedule() {
	for {
		next := ^uint64(0)
		for i := range p.threads {
			n := (p.current + 1 + i) % len(p.threads)
			t := p.threads[n]
			if t.waits && t.deadline != 0 && t.deadline <= p.now() {
				t.waits, t.futex = false, 0
			}
			if !t.waits && !t.dead {
				p.current = n
				p.load(t)
				return
			}
			if t.waits && t.deadline != 0 {
				next = min(next, t.deadline)
			}
		}
		require.NotEqual(p.t, ^uint64(0), next, "all threads wait")
		p.skipped += next - p.now()
	}
}

func (p *process) load(t *thread) {
	c := p.cpu
	c.setPSTATE(t.spsr)
	copy(c.r[:31], t.x[:])
	c.r[regSP], c.pc = t.sp, t.pc
	c.v, c.fpcr, c.fpsr, c.sys.tpidr[0] = t.v, t.fpcr, t.fpsr, t.tls
	c.monitor.clear()
}

func (p *process) String() string {
	return fmt.Sprintf("%d instructions, %d KiB", p.cpu.count, p.next>>10)
}
