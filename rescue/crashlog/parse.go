package crashlog

import (
	"bytes"
	"debug/buildinfo"
	"runtime/debug"
	"strconv"
	"strings"
)

// Kind is how a program died, as far as its last words say.
type Kind string

// Kinds.
const (
	Silent  Kind = "silent"      // it said nothing: killed, power lost, or os.Exit without Close
	Panic   Kind = "panic"       // a panic that nobody recovered
	Fatal   Kind = "fatal error" // the runtime gave up: concurrent map writes, deadlock, a bad stack
	Memory  Kind = "out of memory"
	Signal  Kind = "signal"  // a signal, not by a Go panic: SIGABRT, SIGQUIT, a fault outside of Go
	Unknown Kind = "unknown" // words that are none of these
)

// Crash is what a text says.
type Crash struct {
	Kind      Kind
	Message   string // the first line's, without "panic: " and the like
	Signal    string // SIGSEGV..., empty if there was none
	Address   uint64 // of the signal's fault, 0 if there was none
	PC        uint64 // where the signal came
	Goroutine uint64 // the first in the text: the one that died
	Function  string // on top of that goroutine's stack, without what the runtime put there
}

// parser is what Parse knows while it reads.
type parser struct {
	Crash
	said    bool   // the message is known
	stack   bool   // in the runtime's stack or the first goroutine's
	threw   bool   // that stack begins with the runtime giving up
	thrower string // what had it give up
	memory  bool   // the memory allocator is in that stack
	asleep  bool   // the first stack is of a goroutine that waits: none ran
}

// Parse reads the last words of a Go program as the runtime writes them. It takes
// any text: of one that is something else it knows nothing.
//
// The runtime prints "fatal error: ..." before it begins to copy what it prints, so
// that a crash output has the stacks and not the line. The kind, and for the
// common ones the message, are then had from who called runtime.throw; for others
// the message is "in " and that function.
func Parse(text []byte) Crash {
	p := parser{Crash: Crash{Kind: Silent}}
	if len(bytes.TrimSpace(text)) == 0 {
		return p.Crash
	}
	p.Kind = Unknown
	for line := range bytes.Lines(text) {
		p.line(strings.TrimRight(string(line[:min(len(line), 4096)]), "\r\n"))
		if p.Function != "" {
			break
		}
	}
	if !p.said && p.asleep {
		p.Kind, p.Message = thrown("runtime.checkdead")
	}
	if !p.said && p.thrower != "" {
		p.Kind, p.Message = thrown(p.thrower)
		if p.memory && p.Message == "in "+p.thrower {
			p.Kind, p.Message = Memory, "out of memory"
		}
	}
	return p.Crash
}

func (p *parser) line(s string) {
	if !p.said && !p.stack {
		p.said = p.parseReason(s)
	}
	p.parseSignal(s)
	if number, ok := goroutineLine(s); ok && p.Goroutine == 0 && number != 0 {
		p.asleep = !p.stack && waits(s)
		p.Goroutine, p.stack = number, true
		return
	}
	switch {
	case s == "runtime stack:":
		p.stack = true
	case p.stack && s != "" && s[0] != '\t':
		p.frame(frameFunction(s))
	}
}

// frame takes a function of the stack, from the top.
func (p *parser) frame(function string) {
	name := function[strings.LastIndexByte(function, '.')+1:]
	inside := strings.HasPrefix(function, "runtime.") || strings.HasPrefix(function, "internal/") || function == "sync.throw" || function == "sync.fatal"
	throws := inside && (name == "throw" || name == "fatal") // internal/sync.fatal calls runtime.fatal
	if p.threw && p.thrower == "" && !throws {
		p.thrower = function
	}
	p.memory = p.memory || p.threw && allocates(function)
	if throws && p.thrower == "" {
		p.threw = true
		if strings.HasPrefix(function, "internal/runtime/maps.") {
			p.thrower = function // who called is the program, by a function that was inlined
		}
	}
	if p.Goroutine != 0 && function != "" && function != "panic" && !inside {
		p.Function = function
	}
}

// frameFunction is the function that a stack's line names.
func frameFunction(s string) string {
	if strings.HasPrefix(s, "created by ") {
		return ""
	}
	return s[:max(0, strings.LastIndexByte(s, '('))]
}

// allocates reports whether a function takes memory from the operating system, or
// is the part of the allocator that gives up for want of it.
func allocates(function string) bool {
	switch function {
	case "runtime.sysMapOS", "runtime.sysMap", "runtime.sysUsedOS", "runtime.sysReserveOS", "runtime.persistentalloc1", "runtime.newosproc", "runtime.stkbucket",
		"runtime.(*mheap).sysAlloc", "runtime.(*mheap).grow", "runtime.(*mcache).allocLarge", "runtime.(*mcache).refill",
		"runtime.stackalloc", "runtime.stackpoolalloc", "runtime.stackcacherefill", "runtime.rawruneslice", "runtime.(*fixalloc).alloc":
		return true
	}
	return false
}

// thrown says what the runtime gave up for, from who had it.
func thrown(by string) (Kind, string) {
	switch by {
	case "runtime.newstack":
		return Fatal, "stack overflow"
	case "runtime.sigpanic":
		return Fatal, "fault"
	case "internal/sync.(*Mutex).unlockSlow":
		return Fatal, "sync: unlock of unlocked mutex"
	case "runtime.checkdead":
		return Fatal, "all goroutines are asleep - deadlock!"
	}
	if strings.HasPrefix(by, "internal/runtime/maps.") {
		return Fatal, "concurrent map access"
	}
	return Fatal, "in " + by
}

// parseReason reads a line that may be the first of the last words.
func (c *Crash) parseReason(s string) bool {
	switch {
	case strings.HasPrefix(s, "panic: "):
		c.Kind, c.Message = Panic, s[len("panic: "):]
	case strings.HasPrefix(s, "fatal error: "):
		c.Kind, c.Message = Fatal, s[len("fatal error: "):]
		if strings.Contains(c.Message, "out of memory") || strings.Contains(c.Message, "cannot allocate memory") {
			c.Kind = Memory
		}
	case strings.HasPrefix(s, "SIG") && strings.Contains(s, ": "):
		c.Kind = Signal
		c.Signal, c.Message, _ = strings.Cut(s, ": ")
	default:
		return false
	}
	return true
}

// parseSignal reads the lines in which the runtime tells of a signal:
// "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x46e2a1]" after a
// panic or a fatal error, "PC=0x46e2a1 m=0 sigcode=0" after a signal.
func (c *Crash) parseSignal(s string) {
	if rest, ok := strings.CutPrefix(s, "[signal "); ok && c.Signal == "" {
		c.Signal, _, _ = strings.Cut(strings.TrimSuffix(rest, "]"), ":")
		c.Address, c.PC = field(rest, "addr="), field(rest, "pc=")
	}
	if strings.HasPrefix(s, "PC=") && c.PC == 0 {
		c.PC = field(s, "PC=")
		c.Address = field(s, "addr=")
	}
}

// field is the number behind a key.
func field(s, key string) uint64 {
	_, rest, ok := strings.Cut(s, key)
	if !ok {
		return 0
	}
	rest, _, _ = strings.Cut(rest, " ")
	n, err := strconv.ParseUint(strings.TrimRight(rest, "]"), 0, 64)
	if err != nil {
		return 0
	}
	return n
}

// goroutineLine reads "goroutine 7 [running]:" and "goroutine 7 gp=0x... [running]:".
func goroutineLine(s string) (uint64, bool) {
	rest, ok := strings.CutPrefix(s, "goroutine ")
	if !ok || !strings.HasSuffix(s, ":") {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(number, 10, 64)
	return n, err == nil
}

// waits reports whether a goroutine's line is of one that waited: the runtime begins
// with the goroutine that it gave up in, so that there was none of that kind.
func waits(s string) bool {
	_, state, _ := strings.Cut(s, "[")
	for _, prefix := range []string{"running", "runnable", "syscall", "idle", "dead", "preempted", "copystack"} {
		if strings.HasPrefix(state, prefix) {
			return false
		}
	}
	return state != ""
}

// buildID says which build this program is: the revision where it is known, else
// the main module's version.
func buildID() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return buildOf(info)
}

func buildOf(info *buildinfo.BuildInfo) string {
	modified := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.modified" && s.Value == "true" {
			modified = "+modified"
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value + modified
		}
	}
	return info.Main.Version
}
