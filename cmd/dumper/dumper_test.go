package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// result is what a run of the program gave.
type result struct {
	code        int
	out, errors string
}

// dumper runs the program in this process.
func dumper(t *testing.T, args ...string) result {
	t.Helper()
	return dumperWithInput(t, strings.NewReader(""), args...)
}

func dumperWithInput(t *testing.T, in io.Reader, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	code := run(context.Background(), args, in, &out, &errors)
	return result{code, out.String(), errors.String()}
}

// requireDone runs the program, which must end well and have no complaint.
func requireDone(t *testing.T, args ...string) string {
	t.Helper()
	r := dumper(t, args...)
	require.Equal(t, exitDone, r.code, "%v: %s", args, r.errors)
	require.Empty(t, r.errors, "%v", args)
	return r.out
}

// requireFails runs the program, which must fail so, and say this.
func requireFails(t *testing.T, code int, message string, args ...string) result {
	t.Helper()
	r := dumper(t, args...)
	require.Equal(t, code, r.code, "%v: %s", args, r.errors)
	require.Contains(t, r.errors, message, "%v", args)
	for line := range strings.Lines(r.errors) {
		require.True(t, strings.HasPrefix(line, "dumper: "), "%v: %q", args, line)
	}
	return r
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestInfo(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	var f facts
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "info", "--json", dump)), &f))
	require.Equal(t, "minidump", f.Format)
	require.Equal(t, "amd64", f.Arch)
	require.Equal(t, uint32(3), f.Version)
	require.True(t, f.Complete)
	require.Equal(t, f.ExpectedSize, f.FileSize)
	require.Equal(t, hexadecimal(hostKernel), f.KernelBase)
	require.Equal(t, []rangeFact{{hexadecimal(hostRAM), hexadecimal(hostRAM + hostSize)}}, f.DumpAvail)
	require.Equal(t, []holeFact{{rangeFact{0x120000, 0x122000}, "redacted"}}, f.Holes)
	require.Equal(t, "testhost", f.Notes.HostName)
	require.Equal(t, hostBuild, f.Notes.BuildID)
	sum := int64(0)
	for _, n := range f.Space {
		sum += n
	}
	require.Equal(t, f.FileSize, sum)
	require.NotContains(t, f.Space, "zero_pages")
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "info", "--json", "--scan", dump)), &f))
	require.Positive(t, f.Space["zero_pages"])

	human := requireDone(t, "info", dump)
	for _, want := range []string{"FreeBSD/amd64 minidump version 3", "complete", "0xfffffe0000000000", "redacted", "testhost", "panic "} {
		require.Contains(t, human, want)
	}
	require.Less(t, strings.Count(human, "\n"), 24, "more than a screen")
}

func TestLog(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	require.Equal(t, hostLog, requireDone(t, "log", dump))
	require.Equal(t, "a\\x1b[1mb\nc\td\xc3\xa4", string(harmless([]byte("a\x1b[1mb\r\nc\td\xc3\xa4"))))
}

func TestRead(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	want := "fffffe0000001000  55 48 89 e5 e8 07 00 00  00 5d c3                 |UH.......].|\n"
	require.Equal(t, want, requireDone(t, "read", dump, "0xfffffe0000001000", "11"))
	require.Equal(t, want, requireDone(t, "read", "--kernel", kernel, dump, "main.main", "0xb"))
	require.Equal(t, string(hostText), requireDone(t, "read", "--raw", dump, "0xfffffe0000001000", "11"))
	require.Equal(t, string(hostText), requireDone(t, "read", "--raw", "--physical", dump, "0x111000", "11"))
	require.Equal(t, string(hostText[1:]), requireDone(t, "read", "-k", kernel, "--raw", dump, "main.main+0x1", "10"))
	require.Equal(t, string(hostText), requireDone(t, "read", "--raw", dump, "0xfffff80000111000", "11"), "direct map")
	require.Len(t, requireDone(t, "read", "--raw", dump, "0xfffffe0000001000"), defaultReadLength)
	require.Len(t, requireDone(t, "read", "--raw", dump, "0xfffffe0000000000", "0x10000"), 0x10000)
	require.Empty(t, requireDone(t, "read", dump, "0xfffffe0000001000", "0"))

	// What is there is printed, and then the reason.
	r := requireFails(t, exitNotThere, "0xfffffe0000010000", "read", "--raw", dump, "0xfffffe000000fff0", "32")
	require.Contains(t, r.errors, "redacted")
	require.Len(t, r.out, 16)
	requireFails(t, exitNotThere, "not mapped", "read", dump, "0xfffffe0000020000")
	requireFails(t, exitNotThere, "not a kernel address", "read", dump, "0x10")
	requireFails(t, exitNotThere, "dump_avail", "read", "--physical", dump, "0x10")
	requireFails(t, exitUsage, "not a physical address", "read", "--physical", dump, "0xfffffe0000020000")
	requireFails(t, exitUsage, "length", "read", dump, "0x10", "x")
	requireFails(t, exitUsage, "length", "read", "--", dump, "0x10", "-1")
	requireFails(t, exitUsage, "--kernel", "read", dump, "main.main")
	requireFails(t, exitUsage, "write 0x", "read", dump, "fffffe0000001000")
	requireFails(t, exitUsage, "unknown symbol", "read", "-k", kernel, dump, "main.mian")
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	out := requireDone(t, "translate", dump, "0xfffffe0000001234")
	require.Equal(t, "physical 0x111234", lastLine(out))
	require.Contains(t, out, "level 2  PDE 0 of the section: 0x0000000000103003")
	require.Contains(t, out, "level 1  PTE 1 of the table 0x103000: 0x0000000000111003")
	require.Contains(t, out, "4 KiB, read, write, execute")
	out = requireDone(t, "translate", "-k", kernel, dump, "counter+2")
	require.Equal(t, "physical 0x112002", lastLine(out))
	require.Contains(t, out, "counter+0x2")
	require.Equal(t, "physical 0x100008", lastLine(requireDone(t, "translate", dump, "0xfffff80000100008")))
	// Translated, though the page is not in the dump.
	require.Equal(t, "physical 0x4000000", lastLine(requireDone(t, "translate", dump, "0xfffff80004000000")))

	r := requireFails(t, exitNotThere, "not mapped", "translate", dump, "0xfffffe0000020000")
	require.Contains(t, r.out, "level 1  PTE 32")
	require.NotContains(t, r.out, "physical")
	requireFails(t, exitNotThere, "not a kernel address", "translate", dump, "0x1000")
}

func TestDisasm(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	out := requireDone(t, "disasm", "-k", kernel, dump, "main.main", "3")
	require.Equal(t, `main.main:
  fffffe0000001000  55                              push %rbp
  fffffe0000001001  48 89 e5                        mov %rsp,%rbp
  fffffe0000001004  e8 07 00 00 00                  callq 0xfffffe0000001010 <main.crash>
`, out)
	require.Equal(t, defaultInstructions, strings.Count(requireDone(t, "disasm", dump, "0xfffffe0000001000"), "\n"))
	r := dumper(t, "disasm", "-k", kernel, dump, "constant", "2")
	require.Equal(t, exitDone, r.code)
	require.Contains(t, r.out, "nop")
	require.Contains(t, r.errors, "not in the dump")
	requireFails(t, exitNotThere, "not mapped", "disasm", dump, "0xfffffe0000100000")
	requireFails(t, exitUsage, "count", "disasm", dump, "0xfffffe0000001000", "0")
	requireFails(t, exitUsage, "count", "disasm", dump, "0xfffffe0000001000", "99999999")
}

func TestSymbol(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	require.Equal(t, "0xfffffe0000001010 main.crash 16\n", requireDone(t, "symbol", "--kernel", kernel, "main.crash"))
	require.Equal(t, "0xfffffe0000001014 main.crash+0x4 16\n", requireDone(t, "symbol", "--kernel", kernel, "0xfffffe0000001014"))
	require.Equal(t, "0xfffffe0000002000 counter 4\nvalue 0x2a 42\n", requireDone(t, "symbol", "--kernel", kernel, dump, "counter"))
	requireFails(t, exitNotThere, "no symbol", "symbol", "--kernel", kernel, "0x10")
	requireFails(t, exitUsage, "needs --kernel", "symbol", "main.crash")
	requireFails(t, exitUsage, "unknown symbol", "symbol", "-k", kernel, "main.crush")
	requireFails(t, exitUsage, "not a 64-bit ELF", "symbol", "-k", dump, "main.crash")
	requireFails(t, exitIO, "no such file", "symbol", "-k", filepath.Join(t.TempDir(), "none"), "main.crash")
}

func TestVerify(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	require.Contains(t, requireDone(t, "verify", dump), "vmcore: sound")
	data, err := os.ReadFile(dump)
	require.NoError(t, err)

	cut := writeTemporary(t, "cut", data[:len(data)-5000])
	r := dumper(t, "verify", "--json", cut)
	require.Equal(t, exitIncomplete, r.code, r.out)
	var fact verifyFact
	require.NoError(t, json.Unmarshal([]byte(r.out), &fact))
	require.Equal(t, "incomplete", fact.Verdict)
	require.Equal(t, uint64(1), fact.Counts["file_cut"])
	require.Equal(t, exitDone, dumper(t, "info", cut).code)

	damaged := bytes.Clone(data)
	damaged[100] ^= 1 // behind the header
	r = dumper(t, "verify", writeTemporary(t, "damaged", damaged))
	require.Equal(t, exitDamaged, r.code)
	require.Contains(t, r.out, "header_padding")
	require.Contains(t, lastLine(r.out), "damaged")
}

// A page behind the end of a cut file is incomplete, not simply absent.
func TestReadBeyondTheEnd(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	cut := writeTemporary(t, "cut", data[:len(data)-0x20000])
	requireFails(t, exitIncomplete, "beyond the end", "read", "--physical", cut, "0x138000")
	requireFails(t, exitIncomplete, "cut", "info", writeTemporary(t, "short", data[:60]))
}

func TestBuildIDs(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	require.Empty(t, dumper(t, "read", "-k", kernel, dump, "counter").errors)
	r := dumper(t, "read", "-k", writeTemporary(t, "other", hostELF("another/build")), dump, "counter")
	require.Equal(t, exitDone, r.code)
	require.Contains(t, r.errors, "dumper: warning: ")
	require.Contains(t, r.errors, hostBuild)
	require.Contains(t, r.errors, "another/build")
	require.Empty(t, dumper(t, "read", "-k", writeTemporary(t, "unknown", hostELF("")), dump, "counter").errors)
}

func TestStandardInput(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	r := dumperWithInput(t, bytes.NewReader(data), "log", "-")
	require.Equal(t, result{exitDone, hostLog, ""}, r)
	file, err := os.Open(dump)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.Equal(t, result{exitDone, hostLog, ""}, dumperWithInput(t, file, "log", "-"))
	r = dumperWithInput(t, bytes.NewReader(data), "log", "--spool-limit", "4096", "-")
	require.Equal(t, exitIO, r.code)
	require.Contains(t, r.errors, "limit of the spool")
	r = dumperWithInput(t, bytes.NewReader(data), "log", "--spool-limit", "1000000000", "-")
	require.Equal(t, exitDone, r.code)
	r = dumperWithInput(t, io.MultiReader(bytes.NewReader(data), failing{}), "log", "-")
	require.Equal(t, exitOther, r.code)
	require.Contains(t, r.errors, "standard input after")
}

type failing struct{}

func (failing) Read([]byte) (int, error)    { return 0, os.ErrDeadlineExceeded }
func (failing) Write(p []byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestNotADump(t *testing.T) {
	t.Parallel()
	_, kernel := hostDump(t)
	requireFails(t, exitNotDump, "not a FreeBSD kernel dump", "info", writeTemporary(t, "text", []byte("hello, world")))
	requireFails(t, exitNotDump, "", "info", kernel)
	requireFails(t, exitNotDump, "directory", "info", t.TempDir())
	requireFails(t, exitIO, "no such file", "info", filepath.Join(t.TempDir(), "none"))
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"bogus"}, {"inof", "x"}, {"info"}, {"info", "a", "b"}, {"info", "--bogus", "x"}, {"--bogus"}, {"read", "x"},
		{"threads", "x"}, {"regs"}, {"bt", "a", "b", "c"}, {"verify"}, {"log"}, {"disasm", "x"}, {"symbol"},
		{"log", "--spool-limit", "much", "x"},
	} {
		r := requireFails(t, exitUsage, "", args...)
		require.Empty(t, r.out, "%v", args)
	}
	requireFails(t, exitUsage, "did you mean info", "inof")
}

func TestWriteFailure(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	for _, args := range [][]string{{"log", dump}, {"read", "--raw", dump, "0xfffffe0000000000", "0x10000"}, {"info", "--json", dump}} {
		var errors bytes.Buffer
		code := run(context.Background(), args, strings.NewReader(""), failing{}, &errors)
		require.Equal(t, exitIO, code, "%v: %s", args, errors.String())
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	dump, _ := hostDump(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errors bytes.Buffer
	require.Equal(t, exitInterrupted, run(ctx, []string{"verify", dump}, strings.NewReader(""), &out, &errors))
	require.Equal(t, "dumper: interrupted\n", errors.String())
}

// Every command has long help with examples, and completions come with cobra.
func TestHelp(t *testing.T) {
	t.Parallel()
	out := requireDone(t)
	require.Equal(t, out, requireDone(t, "--help"))
	for _, make := range commands {
		name, _, _ := strings.Cut(make(&program{}).Use, " ")
		require.Contains(t, out, "\n  "+name)
		help := requireDone(t, "help", name)
		require.Contains(t, help, "Examples:", name)
		require.Contains(t, help, "dumper "+name, name)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.NotEmpty(t, requireDone(t, "completion", shell))
	}
}

// Symbols complete where an address is wanted, files elsewhere.
func TestCompletion(t *testing.T) {
	t.Parallel()
	dump, kernel := hostDump(t)
	complete := func(args ...string) string {
		r := dumper(t, append([]string{"__complete"}, args...)...)
		require.Equal(t, exitDone, r.code, r.errors)
		return r.out
	}
	require.Equal(t, "main.crash\nmain.main\n:4\n", complete("read", "--kernel", kernel, dump, "main."))
	require.Equal(t, "counter\n:4\n", complete("disasm", "--kernel", kernel, dump, "cou"))
	require.Equal(t, "constant\n:0\n", complete("symbol", "--kernel", kernel, "cons"))
	require.Equal(t, ":4\n", complete("read", dump, "main."))
	require.Equal(t, ":0\n", complete("read", "--kernel", kernel, ""))
	require.Contains(t, complete("thr"), "threads")
}

// Of other architectures' minidumps the header is shown.
func TestOtherArchitectures(t *testing.T) {
	t.Parallel()
	page := make([]byte, 5*4096)
	copy(page, "minidump FreeBSD/i386")
	for i, value := range []uint32{2, 4096, 4096, 4096, 0x800000, 1, 4096} {
		binary.LittleEndian.PutUint32(page[24+4*i:], value)
	}
	binary.LittleEndian.PutUint64(page[2*4096+8:], 0x9f000)
	path := writeTemporary(t, "i386", page)
	var f facts
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "info", "--json", path)), &f))
	require.Equal(t, "i386", f.Arch)
	require.Equal(t, hexadecimal(0x800000), f.KernelBase)
	require.Equal(t, []rangeFact{{0, 0x9f000}}, f.DumpAvail)
	requireFails(t, exitNotDump, "not supported", "translate", path, "0x800000")
}

// The exit codes of the package's documentation and of the help are the same.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	help := requireDone(t, "help", "exit-codes")
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	documented := strings.ReplaceAll(string(source), "//\t", "  ")
	_, list, ok := strings.Cut(newExitCodes().Long, "Exit codes:\n\n")
	require.True(t, ok)
	list, _, _ = strings.Cut(list, "\n\n")
	require.Contains(t, help, list)
	require.Contains(t, documented, list)
	for code := exitDone; code <= exitInterrupted; code++ {
		require.Contains(t, list, string(rune('0'+code))+"  ")
	}
}

func TestProbeSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int64{0: 0, 4095: 0, 4096: 4096, 5 << 12: 5 << 12, 1<<20 + 512: 1 << 20} {
		require.Equal(t, want, probeSize(bytes.NewReader(make([]byte, n))))
	}
}

func TestOutputHelpers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 20: "1 MiB", 107388928: "102.4 MiB", 1 << 43: "8 TiB", 1<<63 - 1: "8 EiB",
	} {
		require.Equal(t, want, size(n))
	}
	require.Equal(t, `a"b\x1b\n`, printable("a\"b\x1b\n"))
	require.Equal(t, "1 page", plural(1, "page"))
	require.Equal(t, "0 pages", plural(0, "page"))
}
