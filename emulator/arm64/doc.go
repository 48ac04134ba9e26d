// Package arm64 is an ARMv8-A CPU in Go: instructions, translation, exceptions,
// caches and the generic timer, as machdep/arm64 names them and the Arm
// Architecture Reference Manual (DDI 0487) defines them. Its sibling
// emulator/amd64 has the same exported shape.
//
// A [CPU] decodes an instruction once, into a compact form that is kept with
// the others of its basic block for as long as the page they lie in does not
// change. Loads and stores find their page in arrays of translations. Flags are
// computed when somebody looks at them.
//
// # What there is
//
// AArch64 state at EL0, EL1 and, where [Config] says so, EL2 with or without
// VHE. There is no EL3 and no AArch32: SMC is for [Config].Firmware, as is HVC
// where there is no EL2. There is no stage 2 translation: HCR_EL2.VM stops the
// machine.
//
// What the CPU can do is what its ID registers say, which follow from the
// [Model]: instructions of features that it lacks are UNDEFINED to the guest.
// An instruction that is in no table stops the machine: reason machine.Failed,
// with its bytes, its disassembly, where it is and all registers. So does what
// is outside of the model.
//
// # The tables of operations
//
// An operation is an opcode: its name, its encoding as the manual prints it (32
// characters: 0, 1, or a letter for each bit that varies), what executes it,
// and what it makes of the word's fields when it is decoded:
//
//	{name: "ADD (immediate)", pattern: "x0010001 ziiiiiii iiiiinnn nnddddd", lower: ..., run: ...}
//
// Letters that have a meaning to test generators: d, n, m, a and t, u are
// register numbers (t and u of loads and stores), x is sf; all others are free
// bits. Tables are functions that give a []opcode; opcodeTables in table.go
// lists them. The decoder finds an entry by the word's top eleven bits; of
// several that match, the one with more fixed bits wins.
//
// An operation gets the CPU and its inst, and gives true to let the block go
// on, or false to leave it: after a branch, which set pc, or with an event
// (fault, exit). Registers are c.r[n]: where lower was told so, 31 has become
// regSP, or regSink as a target (what is written there is lost; r[31] is always
// 0). Vector registers are c.v[n], low half first. Memory is read by c.load8 to
// c.load64 and c.load128, written by c.store, c.store64 and c.store128: false is a
// fault, to be handed on as the operation's result before any register is
// written.
//
// Entries marked with the form vector need no test of whether floating point is
// enabled: where it is not, blocks hold a trap in their place.
//
// # Blocks
//
// A branch that is not taken goes on in its block, and so does one without a
// condition to somewhere in the page. A comparison and the branch behind it are
// executed as one, like the parts of a constant. Single steps, traces, exact ends
// of Run and accesses to watched memory execute instructions one by one.
//
// # System level
//
// Exceptions have the class, syndrome, fault status and level that the manual
// says; registers have their RES0 and RES1 bits; traps of HCR_EL2, CPTR_EL2,
// CNTHCTL_EL2, CPACR_EL1, CNTKCTL_EL1 and SCTLR are taken. Translation is stage 1
// with all granules that the model has, in the EL1&0, EL2 and EL2&0 regimes.
// There are no big-endian accesses, no self-hosted debug (its registers hold what
// is written), no PMU, no pointer authentication and no SVE: ID registers say so.
//
// # TLB, caches and barriers
//
// Translations stay until a TLBI that covers them, like on a CPU whose TLB is
// never too small; so a missing one is found. TLBIs of one CPU reach the others
// only where they are broadcast.
//
// Data and instruction caches are not noticed unless Config has [Caches]: then
// what is not cleaned or invalidated stays as stale as the architecture allows,
// and code that was executed stays the same until an IC. With Config.Delayed
// maintenance waits for its DSB and writes to system registers for a context
// synchronization event, so a missing barrier is found too. Both are for tests:
// stores are several times slower with caches.
//
// # Tests
//
// TestSystemProgram runs testdata/system.s, a program of exceptions, translations
// and traps, in all of these ways. Its log is what TestSystemLikeQEMU compares
// with QEMU's, but for the differences that are listed there. TestSystemEncodings
// accesses every system register of the tables and executes every system
// instruction, at EL1, at EL2 and there with VHE, on both.
//
// TestDifferential executes instances of every operation in the tables, but for
// a list of exempt ones with reasons, under qemu-aarch64, or natively where the
// computer is an arm64, and here, and compares all registers and memory. The
// flag -full has it execute a million and more, -seed others. TestSequences does
// the same with instructions that blocks join, TestModels with CPUs that lack
// some, TestUndefined with words that are in no table. TestProgram runs a Go
// program with the standard library's assembly at EL0; BenchmarkCompress measures
// the rescue program's compressor in the same way.
package arm64
