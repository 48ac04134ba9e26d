package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

// recordArea is the area of a host whose tasks failed and that then panicked.
func recordArea(t *testing.T) []byte {
	t.Helper()
	layout := record.DefaultLayout()
	memory := make([]byte, layout.Size())
	a, err := record.Format(memory, layout, record.ID{0x5f, 0x0c})
	require.NoError(t, err)
	task, err := a.Source("task")
	require.NoError(t, err)
	for i, message := range []string{"torn page", "no answer"} {
		_, err = a.Add(task, &record.Record{
			Class: record.ClassTaskPanic, Source: "ledger", CPU: record.NoCPU, Time: int64(1763768700+i) * 1e9, Message: message, Trace: "main.add()\nmain.main()\n",
		})
		require.NoError(t, err)
	}
	address, size := uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory))
	f := record.PanicFields(address, size)
	f.Class.Set(record.ViewString(record.ClassPage))
	f.Message.Set(record.ViewString("nil pointer dereference\x1b[2J"))
	f.Time, f.Uptime, f.CPU, f.Reason, f.Vector, f.FaultAddress, f.PC = 1763768702e9, 5e9, 2, 5, 14, 0x10, 0x401234
	n := record.BeginPanic(address, size, f)
	f.Stopped, f.NotStopped = 2, 1
	require.True(t, record.CompletePanic(address, size, n, f))
	return memory
}

func TestRecords(t *testing.T) {
	t.Parallel()
	file := writeTemporary(t, "records.img", recordArea(t))
	requireGolden(t, "records.txt", requireDone(t, "records", file))
	requireGolden(t, "records-long.txt", requireDone(t, "records", "--long", file))
	requireGolden(t, "records.json", requireDone(t, "records", "--json", file))
	lines := func(words ...string) int {
		return strings.Count(requireDone(t, append([]string{"records", file}, words...)...), "\n")
	}
	require.Equal(t, 4, lines())
	require.Equal(t, 2, lines("class=task"))
	require.Equal(t, 1, lines("source=host"))
	require.Equal(t, 4, lines("restart=5f0c"))
	require.Zero(t, lines("restart=6"))
	require.Equal(t, 2, lines("since=2025-11-21T23:45:01Z", "class=host")+lines("after=3"))
	requireFails(t, exitUsage, "KEY=VALUE", "records", file, "ledger")
	requireFails(t, exitUsage, "--pmsg-size", "records", "--pmsg-size", "x", file)
	requireFails(t, exitUsage, "want one of them", "records", "--json", "--long", file)
	requireFails(t, exitIO, "nowhere", "records", "nowhere")
	requireFails(t, exitNotDump, "not", "records", writeTemporary(t, "x", []byte("hello")))

	// An extent of a larger file, and what --cbor makes of it.
	large := writeTemporary(t, "memory", append(make([]byte, 8192), recordArea(t)...))
	require.Equal(t, requireDone(t, "records", file), requireDone(t, "records", fmt.Sprintf("%s:8K+%d", large, len(recordArea(t)))))
	written := writeTemporary(t, "cbor", []byte(requireDone(t, "records", "--cbor", file)))
	require.Equal(t, requireDone(t, "records", file), requireDone(t, "records", written))
}

// Standard input may be any store, and a dump.
func TestRecordsOfStandardInput(t *testing.T) {
	t.Parallel()
	area := recordArea(t)
	want := requireDone(t, "records", writeTemporary(t, "records.img", area))
	all := record.AppendValid(nil, area, 1<<20)
	dump, _ := hostDump(t, func(s *minidump.Source) { s.Notes.FaultRecord = all })
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	for _, in := range [][]byte{area, all, data} {
		r := dumperWithInput(t, bytes.NewReader(in), "records", "-")
		require.Zero(t, r.code, "%s", r.errors)
		require.Equal(t, want, r.out)
	}
	r := dumperWithInput(t, strings.NewReader("hello"), "records", "-")
	require.Equal(t, exitNotDump, r.code)
	require.Contains(t, r.errors, "nor is it a store of fault records")
	requireFails(t, exitUsage, "read once", "records", "--follow", "-")
	requireFails(t, exitUsage, "standard input", "records", "acknowledge", "-", "5f", "1")
}

// The same records are in a dump, ahead of it, in pstore and in firmware.
func TestRecordsEverywhere(t *testing.T) {
	t.Parallel()
	area := recordArea(t)
	want := requireDone(t, "records", writeTemporary(t, "records.img", area))
	all := record.AppendValid(nil, area, 1<<20)

	dump, _ := hostDump(t, func(s *minidump.Source) { s.Notes.FaultRecord = all })
	require.Equal(t, want, requireDone(t, "records", dump))
	require.Contains(t, requireDone(t, "info", dump), "4 fault records")
	none, _ := hostDump(t)
	requireFails(t, exitNotThere, "no fault records", "records", none)

	disk := filepath.Join(t.TempDir(), "disk")
	file, err := os.Create(disk)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, file.Truncate(4<<20))
	requireDone(t, "prepare", disk)
	requireFails(t, exitNotThere, "no fault records", "records", disk)
	l, err := target.Read(file, 4<<20, 0)
	require.NoError(t, err)
	w, err := target.NewWriter(target.WriterOptions{Device: imageDisk{file, 4 << 20}, Label: l, Header: kerneldump.Header{Architecture: "amd64"}})
	require.NoError(t, err)
	require.NoError(t, w.Begin([]target.Section{{Kind: target.KindRecord, Data: all}}))
	require.Equal(t, want, requireDone(t, "records", disk), "the dump never came")
	requireFails(t, exitUsage, "cannot be acknowledged", "records", "acknowledge", disk, "5f", "1")

	address, n := record.LatestPanic(uintptr(unsafe.Pointer(&area[0])), uintptr(len(area)))
	latest := area[address-uintptr(unsafe.Pointer(&area[0])):][:n]
	last := want[strings.LastIndex(strings.TrimSuffix(want, "\n"), "\n")+1:]
	requireOne := func(path string) {
		require.Equal(t, strings.Fields(last), strings.Fields(requireDone(t, "records", path)))
	}
	variable, err := efivar.Encode(latest)
	require.NoError(t, err)
	requireOne(writeTemporary(t, efivar.FileName(efivar.FirstName), append([]byte{7, 0, 0, 0}, variable...)))

	region := make([]byte, 20<<10)
	require.True(t, ramoops.Put(uintptr(unsafe.Pointer(&region[0])), 4096, &ramoops.Entry{Record: record.ViewBytes(latest)}))
	requireOne(writeTemporary(t, "region", region))
	content, err := ramoops.Content(region[:4096])
	require.NoError(t, err)
	text, err := ramoops.ParseDump(content)
	require.NoError(t, err)
	pstore := writeTemporary(t, "dmesg-ramoops-0", text.Text)
	requireOne(pstore)
	requireOne(filepath.Dir(pstore))

	// A region that is divided otherwise.
	region = make([]byte, 64<<10)
	require.True(t, ramoops.Put(uintptr(unsafe.Pointer(&region[2<<10])), 2<<10, &ramoops.Entry{Record: record.ViewBytes(latest)}))
	copy(region, "DBGC\x00\x00\x00\x00\x00\x00\x00\x00")
	odd := writeTemporary(t, "region", region)
	requireFails(t, exitNotThere, "no fault records", "records", odd)
	require.Equal(t, strings.Fields(last), strings.Fields(requireDone(t, "records", "--record-size", "2K", "--console-size", "0", "--ftrace-size", "0", "--pmsg-size", "0", odd)))
}

// What is damaged is told of, and the rest shown.
func TestRecordsDamaged(t *testing.T) {
	t.Parallel()
	area := recordArea(t)
	area[bytes.Index(area, []byte("no answer"))]++
	r := requireFails(t, exitDamaged, "torn", "records", writeTemporary(t, "records.img", area))
	require.Equal(t, 3, strings.Count(r.out, "\n"))
}

func TestRecordsAcknowledge(t *testing.T) {
	t.Parallel()
	file := writeTemporary(t, "records.img", recordArea(t))
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	requireDone(t, "records", file)
	requireFails(t, exitNotThere, "nothing", "records", "acknowledge", file, "5f0c", "99")
	requireFails(t, exitNotThere, "no fault records", "records", "acknowledge", file, "77", "1")
	requireFails(t, exitUsage, "not a number", "records", "acknowledge", file, "5f0c", "x")
	requireFails(t, exitUsage, "accepts 3", "records", "acknowledge", file)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after, "nothing was written")

	require.Equal(t, "acknowledged 2 records\n", requireDone(t, "records", "acknowledge", file, "5F0C", "2"))
	out := requireDone(t, "records", file)
	require.Equal(t, 2, strings.Count(out, "\n"))
	require.Contains(t, out, "no answer")
	require.Equal(t, "acknowledged 2 records\n", requireDone(t, "records", "acknowledge", file, "5f", "4"))
	require.Empty(t, requireDone(t, "records", file))

	// A folder of pstore: the files are removed.
	folder := t.TempDir()
	region := make([]byte, 4096)
	r := record.Record{RestartID: record.ID{1}, Sequence: 3, Class: record.ClassPanic, Source: "host", CPU: record.NoCPU}
	data, err := r.AppendBinary(nil)
	require.NoError(t, err)
	require.True(t, ramoops.Put(uintptr(unsafe.Pointer(&region[0])), 4096, &ramoops.Entry{Record: record.ViewBytes(data)}))
	content, err := ramoops.Content(region)
	require.NoError(t, err)
	text, err := ramoops.ParseDump(content)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "dmesg-ramoops-0"), text.Text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "dmesg-ramoops-1"), []byte("Panic#1\n"), 0o600))
	requireFails(t, exitNotThere, "nothing", "records", "acknowledge", folder, "01", "2")
	require.Equal(t, "acknowledged 1 record\n", requireDone(t, "records", "acknowledge", folder, "01", "3"))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1, "Linux's own stays")
}

// follower is an output that is told of each write.
type follower struct {
	bytes.Buffer
	wrote func(text string)
}

func (f *follower) Write(p []byte) (int, error) {
	n, err := f.Buffer.Write(p)
	f.wrote(f.String())
	return n, err
}

// TestRecordsFollow has a record come while it is looked at.
func TestRecordsFollow(t *testing.T) {
	t.Parallel()
	memory := recordArea(t)
	file := writeTemporary(t, "records.img", memory)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	added := false
	out := &follower{}
	out.wrote = func(text string) {
		if strings.Contains(text, "it came") {
			cancel()
			return
		}
		if added {
			return
		}
		added = true
		a, err := record.Open(memory)
		require.NoError(t, err)
		_, err = a.Add(record.FirstSource, &record.Record{Class: record.ClassPage, CPU: record.NoCPU, Message: "it came"})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, memory, 0o600))
	}
	var messages bytes.Buffer
	code := run(ctx, []string{"records", "--follow", "--interval", "1ms", file}, strings.NewReader(""), out, &messages)
	require.Equal(t, exitDone, code, "%s", messages.String())
	require.Equal(t, 5, strings.Count(out.String(), "\n"))
}
