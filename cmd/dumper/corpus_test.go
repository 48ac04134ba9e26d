package main

import (
	"compress/bzip2"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// corpus unpacks a real FreeBSD dump and its kernel.
func corpus(t *testing.T, architecture string) (dump, kernel string) {
	t.Helper()
	directory := os.Getenv("RESCUE_CORPUS")
	if directory == "" {
		directory = filepath.Join("..", "..", "..", "shared", "data")
	}
	unpack := func(name string) string {
		file, err := os.Open(filepath.Join(directory, "freebsd", name+".bz2"))
		if err != nil {
			t.Skipf("no corpus (set RESCUE_CORPUS): %v", err)
		}
		defer func() { _ = file.Close() }()
		path := filepath.Join(t.TempDir(), name)
		out, err := os.Create(path)
		require.NoError(t, err)
		_, err = io.Copy(out, bzip2.NewReader(file))
		require.NoError(t, err)
		require.NoError(t, out.Close())
		return path
	}
	return unpack("vmcore-" + architecture + "-minidump"), unpack("kernel-" + architecture)
}

// requireGolden compares JSON with the file that was checked by hand.
func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
}

// infoJSON is info --json without what depends on the machine of the test:
// the path, and the holes of file systems that do not store zeros.
func infoJSON(t *testing.T, dump string) string {
	t.Helper()
	var f facts
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "info", "--json", dump)), &f))
	require.Equal(t, dump, f.File)
	f.File = filepath.Base(dump)
	f.Holes = slices.DeleteFunc(f.Holes, func(h holeFact) bool { return strings.Contains(h.Reason, "sparse") })
	b, err := json.MarshalIndent(f, "", "  ")
	require.NoError(t, err)
	return string(b) + "\n"
}

// symbolTruth is a row of the table of symbol reads.
type symbolTruth struct {
	expression string
	value      string // the first bytes, as read --raw gives them
	physical   string
	contains   []string // of translate's output
}

func requireSymbols(t *testing.T, dump, kernel string, rows []symbolTruth) {
	t.Helper()
	for _, row := range rows {
		out := requireDone(t, "translate", "--kernel", kernel, dump, row.expression)
		require.Equal(t, "physical "+row.physical, lastLine(out))
		for _, want := range row.contains {
			require.Contains(t, out, want, row.expression)
		}
		if row.value != "" {
			raw := requireDone(t, "read", "--raw", "--kernel", kernel, dump, row.expression, "8")
			require.Equal(t, row.value, raw[:len(row.value)], row.expression)
		}
	}
}

func TestCorpusAMD64(t *testing.T) {
	t.Parallel()
	dump, kernel := corpus(t, "amd64")
	requireGolden(t, "info-amd64.json", infoJSON(t, dump))
	requireGolden(t, "threads-amd64.json", requireDone(t, "threads", "--json", "--kernel", kernel, dump))
	requireSymbols(t, dump, kernel, []symbolTruth{
		{"hz", "\x64\x00\x00\x00", "0x1cd4c0c", []string{"PDE 1047566 of the section: 0x8000000001c001e3", "2 MiB", "bit 7279, file offset 0x2433c0c"}},
		{"dumptid", "\x3e\x89\x01\x00", "0x1ca69a8", []string{"bit 7233, file offset 0x24059a8"}},
		{"allproc", "", "0x1c9a2f0", []string{"bit 7221, file offset 0x23f92f0"}},
		{"0xfffffe0045b13610", "\x00\x5e\x9f\x00\x00\xfe\xff\xff", "0x4313610", []string{"PDE 557 of the section: 0x80400000042009e3", "bit 17070, file offset 0x46fc610"}},
		{"0xfffffe00798c4748", "\x18\x9b\xc0\x80\xff\xff\xff\xff", "0x54c4748", []string{"PDE 972 of the section: 0x0000000003c15063", "table 0x3c15000", "bit 21599, file offset 0x5305748"}},
	})
	out := requireDone(t, "bt", "--kernel", kernel, dump)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Equal(t, "thread 100670, pid 800, sysctl (crashed)", lines[0])
	for i, pc := range strings.Fields("80c09ade 80c09916 80c09d90 80c09b93 80c57d91 80c19e71 80c192bc 80c19933 80c1977f 8108ba8c 810620ce") {
		require.Contains(t, lines[1+i], "0xffffffff"+pc)
	}
	require.Len(t, lines, 13, "eleven frames, and why there are no more")
	require.Equal(t, out, requireDone(t, "bt", "--kernel", kernel, dump, "0"))
	require.Equal(t, out, requireDone(t, "bt", "--kernel", kernel, dump, "100670"))
	require.Contains(t, requireDone(t, "bt", "--kernel", kernel, dump, "cpu4"), "0xffffffff81057988")
	require.Contains(t, requireDone(t, "bt", "--kernel", kernel, dump, "2"), "pagedaemon/laundry: dom0")
	requireFails(t, exitUsage, "no thread 99", "bt", "--kernel", kernel, dump, "99")
	requireFails(t, exitUsage, "no CPU 99", "bt", "--kernel", kernel, dump, "cpu99")
	requireFails(t, exitUsage, "neither", "bt", "--kernel", kernel, dump, "init")
	requireFails(t, exitNotThere, "needs --kernel", "bt", dump)

	out = requireDone(t, "threads", "--kernel", kernel, dump)
	require.Equal(t, 17, strings.Count(out, "\n"))
	require.Contains(t, out, "100670     800   10  0xffffffff80c09ade  sysctl (crashed)\n")

	var cpus cpusFact
	require.NoError(t, json.Unmarshal([]byte(requireDone(t, "regs", "--json", "--kernel", kernel, dump)), &cpus))
	require.Len(t, cpus.CPUs, 12)
	require.Equal(t, hexadecimal(0xffffffff80c09ade), cpus.CPUs[0].Registers["rip"])
	require.True(t, cpus.CPUs[0].Panicked)
	require.Equal(t, uint32(0), cpus.CPUs[1].Number)

	// The copy is cut, and else sound; its message buffer was not copied.
	r := dumper(t, "verify", dump)
	require.Equal(t, exitIncomplete, r.code, r.out)
	r = dumper(t, "log", dump)
	require.Equal(t, exitDone, r.code)
	require.Contains(t, r.errors, "empty")
}

func TestCorpusARM64(t *testing.T) {
	t.Parallel()
	dump, kernel := corpus(t, "arm64")
	requireGolden(t, "info-arm64.json", infoJSON(t, dump))
	requireGolden(t, "threads-arm64.json", requireDone(t, "threads", "--json", "--kernel", kernel, dump))
	requireSymbols(t, dump, kernel, []symbolTruth{
		{"hz", "\xe8\x03\x00\x00", "0x44a2651c", []string{"0x0000000044a26703", "bit 18982, file offset 0x289551c"}},
		{"dumptid", "\x29\x87\x01\x00", "0x449f3cf0", []string{"0x00000000449f3703", "bit 18931, file offset 0x2862cf0"}},
		{"allproc", "", "0x449e7230", []string{"bit 18919, file offset 0x2856230"}},
		{"0xffff000082797aa0", "", "0x4c397aa0", []string{"0x006000004c39770b", "bit 49495, file offset 0x4917aa0"}},
		{"0xffffa00001548700", "", "0x41548700", []string{"direct map", "bit 5448, file offset 0x147d700"}},
	})
	require.Contains(t, requireDone(t, "bt", "--kernel", kernel, dump), "0xffff0000004b6e78")
	require.Equal(t, 11, strings.Count(requireDone(t, "threads", "--kernel", kernel, dump), "\n"))
	require.Equal(t, exitIncomplete, dumper(t, "verify", dump).code)
	// The kernel of another architecture is warned of.
	_, other := corpus(t, "amd64")
	require.Contains(t, dumper(t, "read", "--kernel", other, dump, "0xffffa00001548700", "8").errors, "the dump is of arm64")
}
