package reader_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

// full has every field.
var full = record.Record{
	RestartID: record.ID{1, 2}, Sequence: 9, Time: -5, Uptime: 6, CPU: 3, Class: record.ClassPage, Source: "host", Generation: 2,
	Flags: record.FlagStackCut, Message: "page fault", BuildID: "abc", Reason: 5, Vector: 14, ErrorCode: 2, FaultAddress: 1 << 63,
	PC: 0x401000, Stopped: 3, NotStopped: 1, Architecture: record.ARM64, Registers: []byte{1}, StackAddress: 7, Stack: []byte{2},
	Trace: "main.main()", Count: 8, First: 4,
}

func encode(t testing.TB, r record.Record) []byte {
	t.Helper()
	data, err := r.AppendBinary(nil)
	require.NoError(t, err)
	return data
}

func message(restart byte, sequence uint64, text string) record.Record {
	return record.Record{RestartID: record.ID{restart}, Sequence: sequence, CPU: record.NoCPU, Class: record.ClassPanic, Source: "host", Message: text}
}

// messages are those of a result's records.
func messages(t testing.TB, r *reader.Result) (list []string) {
	t.Helper()
	for _, s := range r.Contents.Records {
		d, err := record.Decode(s.Data)
		require.NoError(t, err)
		list = append(list, d.Message)
	}
	return list
}

// open opens bytes as a file.
func open(t testing.TB, data []byte, kind reader.Kind) *reader.Result {
	t.Helper()
	r, err := reader.Open(bytes.NewReader(data), int64(len(data)), reader.Options{})
	require.NoError(t, err)
	require.Equal(t, kind, r.Kind)
	return r
}

func TestDecode(t *testing.T) {
	t.Parallel()
	r, err := reader.Decode(encode(t, full))
	require.NoError(t, err)
	require.Equal(t, &full, r)
	unknown := message(1, 1, "")
	unknown.Count = record.UnknownCount
	r, err = reader.Decode(encode(t, unknown))
	require.NoError(t, err)
	require.Equal(t, &unknown, r)
}

// TestDecodeOthers takes what another encoder may write, and puts it into our
// encoding.
func TestDecodeOthers(t *testing.T) {
	t.Parallel()
	m := map[any]any{0: 1, 1: make([]byte, 16), 2: 5, 6: "a.b", 7: "c", 21: "hello", 99: []any{1, "two", map[int]int{3: 4}}, "text": 1.5}
	data, err := cbor.Marshal(m)
	require.NoError(t, err)
	_, err = record.Decode(data)
	require.Error(t, err, "ours is strict")
	require.Equal(t, []string{"hello"}, messages(t, open(t, data, reader.KindSequence)))
	for name, change := range map[string]func(){
		"no class": func() { delete(m, 6) }, "id": func() { m[1] = []byte{1} }, "count": func() { m[17] = "many" }, "type": func() { m[2] = "five" },
	} {
		change()
		data, err := cbor.Marshal(m)
		require.NoError(t, err)
		_, err = reader.Decode(data)
		require.ErrorIs(t, err, record.ErrRecord, name)
		m = map[any]any{0: 1, 1: make([]byte, 16), 2: 5, 6: "a.b", 7: "c"}
	}
	m[0] = 2
	data, err = cbor.Marshal(m)
	require.NoError(t, err)
	_, err = reader.Decode(data)
	require.ErrorIs(t, err, reader.ErrVersion)
}

// TestSequence orders by restart and number, the first record's restart last, and
// keeps what is whole.
func TestSequence(t *testing.T) {
	t.Parallel()
	var data []byte
	for _, r := range []record.Record{message(2, 4, "panic"), message(1, 9, "older"), message(2, 1, "task"), message(1, 3, "oldest")} {
		data = append(data, encode(t, r)...)
	}
	r := open(t, data, reader.KindSequence)
	require.Equal(t, []string{"oldest", "older", "task", "panic"}, messages(t, r))
	require.Equal(t, record.ID{2}, r.Contents.RestartID)
	require.Empty(t, r.Problems)

	for cut := range data {
		r, err := reader.Sequence(data[:cut])
		if err != nil {
			require.ErrorIs(t, err, reader.ErrNone)
			continue
		}
		require.LessOrEqual(t, len(r.Contents.Records), 4)
		require.NotEmpty(t, r.Contents.Records)
	}
	// One that is no record is skipped.
	other, err := cbor.Marshal(map[int]int{1: 2})
	require.NoError(t, err)
	r, err = reader.Notes(&minidump.Notes{FaultRecord: append(other, data...)})
	require.NoError(t, err)
	require.Len(t, r.Contents.Records, 4)
	require.Len(t, r.Problems, 1)
	require.Equal(t, reader.KindNotes, r.Kind)
	_, err = reader.Notes(&minidump.Notes{})
	require.ErrorIs(t, err, reader.ErrNone)
}

// area is one with a panic in it.
func area(t testing.TB) []byte {
	t.Helper()
	layout := record.DefaultLayout()
	memory := make([]byte, layout.Size())
	_, err := record.Format(memory, layout, record.ID{5})
	require.NoError(t, err)
	address, size := uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory))
	f := record.PanicFields(address, size)
	f.Message.Set(record.ViewString("boom"))
	require.NotZero(t, record.BeginPanic(address, size, f))
	return memory
}

func TestArea(t *testing.T) {
	t.Parallel()
	memory := area(t)
	r := open(t, memory, reader.KindArea)
	require.Equal(t, "boom", messages(t, r)[1])
	require.Empty(t, r.Problems)
	memory[40]++
	r = open(t, memory, reader.KindArea)
	require.Equal(t, "boom", messages(t, r)[1])
	require.Len(t, r.Problems, 1)
	memory[bytes.Index(memory, []byte("boom"))]++
	require.Len(t, open(t, memory, reader.KindArea).Problems, 2)

	// What a rescue program takes of it.
	data := record.AppendValid(nil, area(t), 1<<20)
	require.Len(t, messages(t, open(t, data, reader.KindSequence)), 2)
	require.Equal(t, "boom", mustDecode(t, record.AppendValid(nil, area(t), 100)).Message)
	require.Empty(t, record.AppendValid(nil, nil, 100))
}

func mustDecode(t testing.TB, data []byte) *record.Record {
	t.Helper()
	r, err := reader.Decode(data)
	require.NoError(t, err)
	return r
}

func TestRamoops(t *testing.T) {
	t.Parallel()
	region := make([]byte, 5*4096)
	zones, err := ramoops.DefaultGeometry().Zones(len(region))
	require.NoError(t, err)
	for _, text := range []string{"one", "two"} {
		z, _ := ramoops.Choose(region, zones)
		data := encode(t, message(1, uint64(z.Index+1), text))
		require.True(t, ramoops.Put(uintptr(unsafe.Pointer(&region[z.Offset])), uintptr(z.Size), &ramoops.Entry{Record: record.ViewBytes(data)}))
	}
	require.Equal(t, []string{"one", "two"}, messages(t, open(t, region, reader.KindRamoops)))

	// Linux gives each dump as a file.
	folder := fstest.MapFS{"dmesg-ramoops-9": {Data: []byte("Panic#1 Part1\nno record\n")}, "console-ramoops-0": {Data: []byte("Rescue x\n")}}
	for _, z := range zones[:2] {
		content, err := ramoops.Content(region[z.Offset:][:z.Size])
		require.NoError(t, err)
		require.Len(t, open(t, content, reader.KindPstore).Contents.Records, 1)
		text, err := ramoops.ParseDump(content)
		require.NoError(t, err)
		require.Len(t, open(t, text.Text, reader.KindPstore).Contents.Records, 1)
		folder["dmesg-ramoops-"+string(rune('0'+z.Index))] = &fstest.MapFile{Data: text.Text}
	}
	r, err := reader.Pstore(folder)
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two"}, messages(t, r))
	require.Len(t, r.Problems, 1, "a dump of Linux's")
	_, err = reader.Pstore(fstest.MapFS{})
	require.ErrorIs(t, err, reader.ErrNone)

	region[100]++
	r = open(t, region, reader.KindRamoops)
	require.Equal(t, []string{"two"}, messages(t, r))
	require.ErrorIs(t, r.Problems[0], ramoops.ErrDamaged)
	_, err = reader.Ramoops(region[:100], nil)
	require.ErrorIs(t, err, ramoops.ErrGeometry)
}

func TestVariable(t *testing.T) {
	t.Parallel()
	data, err := efivar.Encode(encode(t, message(1, 1, "boom")))
	require.NoError(t, err)
	require.Equal(t, []string{"boom"}, messages(t, open(t, data, reader.KindVariable)))
	file := append([]byte{7, 0, 0, 0}, data...)
	require.Equal(t, []string{"boom"}, messages(t, open(t, file, reader.KindVariable)))
	store := variables{efivar.FirstName: data}
	r, err := reader.Variables(store)
	require.NoError(t, err)
	require.Equal(t, []string{"boom"}, messages(t, r))
	_, err = reader.Variables(variables{})
	require.ErrorIs(t, err, reader.ErrNone)
	_, err = reader.Variables(variables{efivar.LastName: []byte("x")})
	require.ErrorIs(t, err, record.ErrDamaged)
	// An image of a firmware's flash without any variables.
	_, err = reader.Open(bytes.NewReader(make([]byte, 64)), 64, reader.Options{})
	require.ErrorIs(t, err, reader.ErrUnknown)
	flash := make([]byte, 128)
	copy(flash[40:], "_FVH")
	_, err = reader.Open(bytes.NewReader(flash), int64(len(flash)), reader.Options{})
	require.ErrorIs(t, err, reader.ErrUnknown)

	file[40]++
	_, err = reader.Open(bytes.NewReader(file), int64(len(file)), reader.Options{})
	require.ErrorIs(t, err, record.ErrDamaged)
}

// variables are a firmware's.
type variables map[string][]byte

func (v variables) GetVariable(name string, _ efivar.GUID) ([]byte, efivar.Attributes, error) {
	if data, ok := v[name]; ok {
		return data, efivar.OurAttributes, nil
	}
	return nil, 0, efivar.ErrNotFound
}

func (v variables) SetVariable(string, efivar.GUID, efivar.Attributes, []byte) error {
	return errors.ErrUnsupported
}

// disk is a device in memory.
type disk []byte

func (d disk) ReadAt(p []byte, off int64) (int, error)  { return bytes.NewReader(d).ReadAt(p, off) }
func (d disk) WriteAt(p []byte, off int64) (int, error) { return copy(d[off:], p), nil }
func (d disk) Size() int64                              { return int64(len(d)) }
func (d disk) SectorSize() int                          { return 512 }
func (d disk) Flush() error                             { return nil }

func TestTarget(t *testing.T) {
	t.Parallel()
	d := make(disk, 2<<20)
	_, err := reader.Target(d, d.Size())
	require.ErrorIs(t, err, reader.ErrUnknown)
	_, err = reader.Target(d, 100)
	require.ErrorIs(t, err, reader.ErrUnknown)
	label, err := target.Prepare(d, target.PrepareOptions{ID: target.ID{1}, Size: d.Size(), Time: time.Unix(1, 0)})
	require.NoError(t, err)
	_, err = reader.Target(d, d.Size())
	require.ErrorIs(t, err, reader.ErrNone)
	w, err := target.NewWriter(target.WriterOptions{Device: d, Label: label, Header: kerneldump.Header{Architecture: "amd64"}})
	require.NoError(t, err)
	data := append(encode(t, message(1, 2, "panic")), encode(t, message(1, 1, "task"))...)
	require.NoError(t, w.Begin([]target.Section{{Kind: target.KindRecord, Data: data}}))
	require.Equal(t, []string{"task", "panic"}, messages(t, open(t, d, reader.KindTarget)))
	d[bytes.Index(d, []byte("panic"))]++
	r := open(t, d, reader.KindTarget)
	require.Len(t, r.Contents.Records, 2)
	require.ErrorIs(t, r.Problems[0], record.ErrDamaged)
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "record area", reader.KindArea.String())
	require.Equal(t, "kind 99", reader.Kind(99).String())
	_, err := reader.Open(bytes.NewReader(nil), 0, reader.Options{})
	require.ErrorIs(t, err, reader.ErrUnknown)
	_, err = reader.Open(bytes.NewReader(nil), 10, reader.Options{})
	require.Error(t, err)
	require.False(t, errors.Is(err, reader.ErrUnknown))
}

// TestNobodyElseLinksCBOR lists what hosts and rescue programs are made of.
func TestNobodyElseLinksCBOR(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
	const module = "github.com/seed64aab995/rescuekernel/"
	for _, name := range []string{"record", "record/ramoops", "record/efivar", "kernel", "rescue", "capture", "cmd/rescue-kernel", "examples/host"} {
		list := exec.Command("go", "list", "-deps", module+name)
		list.Env = append(list.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
		out, err := list.Output()
		require.NoError(t, err, name)
		require.NotContains(t, string(out), "fxamacker", name)
		if strings.HasPrefix(name, "record") {
			require.NotContains(t, string(out), "\nencoding/json\n", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(encode(f, full))
	f.Add(area(f)[:4096])
	data, err := efivar.Encode(encode(f, full))
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte("Rescue x\nRescue-Record 1 1 00000000 AA==\n"))
	f.Add([]byte("DBGC"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := reader.Open(bytes.NewReader(data), int64(len(data)), reader.Options{})
		if err != nil {
			return
		}
		for _, s := range r.Contents.Records {
			if r.Kind != reader.KindArea {
				_, err := record.Decode(s.Data)
				require.NoError(t, err)
			}
		}
	})
}
