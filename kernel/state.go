//go:build linux && (amd64 || arm64)

package kernel

// kernelState is all that the kernel knows, beside the bit sets of its frame
// allocator and the page tables. It holds no pointers. Being initialized with
// something else than zeros puts it in the image's data, which is mapped from
// the first instruction on; .bss is not.
type kernelState struct {
	initialized uintptr // not 0, see above

	// Written by entry and the stubs of the architecture.
	entryTicks   uintptr
	blockAddress uintptr // physical
	block        uintptr // in the direct map; 0: the program runs under Linux
	root         uintptr // physical address of the top page table
	cpu          uintptr // this CPU's own number: APIC ID
	faultAddress uintptr // of the last exception
	nmis         uintptr
	panicOnNMI   uintptr
	processorState

	current    uintptr // address of the running thread
	startStack uintptr // stack pointer for the runtime's entry

	role        uintptr // handoff.Role
	levels      uintptr // of the page tables
	directMap   uintptr // virtual address of physical address 0
	window      uintptr // the kernel window: [window, windowEnd)
	windowEnd   uintptr
	mmapBase    uintptr // mmap is answered from here on
	reservation [2]uintptr

	stackTop      uintptr                 // of the first thread
	dumpAvailable uintptr                 // the page with FreeBSD's dump_avail array
	excluded      [maxExcluded][2]uintptr // RAM that the allocator does not get
	noExclusion   [maxExcluded][2]uintptr

	symbols imageSymbols
	facts   bootFacts
	frames  frameAllocator
	areas   areaList
	threads threadTable
	message messageBuffer
	console console
	signals signalTable
	panic   panicState

	secondaries secondaryTable
	runtime     runtimeFrame // of a service of EFI that is called
	goroutines  uintptr      // address of the runtime's list of them, see knowsGoroutines

	// Clock: nanoseconds = ticks since clockBase * clockScale >> 24.
	clockBase  uintptr
	clockScale uintptr
	wallClock  uintptr // nanoseconds since 1970 at clockBase
	kilohertz  uintptr
	clockFrom  uintptr // clockSource

	random     [4]uint64 // state of the generator
	hasRandom  uintptr   // the CPU has an instruction for random numbers
	start      startWriter
	lastFault  uintptr // address of the last page fault that found its page mapped
	lastFaults uintptr // how often in a row
	inFault    uintptr // an exception is being handled

	framesAtStart uintptr // free when the runtime was entered

	stats statistics
}

// statistics are counters since the entry.
type statistics struct {
	faults      uintptr // page faults that made pages
	spurious    uintptr // page faults whose page was there
	signals     uintptr
	systemCalls uintptr
	switches    uintptr
	idle        uintptr // nanoseconds with no thread to run
	flushes     uintptr // of the whole TLB
	tables      uintptr // frames used for page tables
	userTicks   uintptr // counter at the first instruction in ring 3
	startTicks  uintptr // and when the runtime was entered
	calls       [512]uint32
}

// imageSymbols are addresses in this image.
type imageSymbols struct {
	text, etext, rodata, erodata, end, vectors, clock uintptr
}

var k = kernelState{initialized: 1}
