package vmtests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/reader"
)

// stage is where a dump ends too soon.
type stage struct {
	name   string
	faults device.Faults
	crash  string // the rescue program's function that is no code
	ends   machine.Reason
	target bool // the record is on the target, too
	some   bool // of each kind, one that is tried by default
}

// firstInstruction is what the trampoline jumps to.
const firstInstruction = "its first instruction"

// stages are from the first instruction of the rescue program to the last write
// of the dump, which has so many.
func stages(writes uint64) []stage {
	fails := func(n uint64) device.Faults { return device.Faults{Fail: device.AfterWrites(n)} }
	resets := func(n uint64) device.Faults { return device.Faults{Stop: device.AtWrite(n)} }
	all := []stage{
		{name: "crash at its first instruction", crash: firstInstruction, ends: machine.TripleFault, some: true},
		{name: "crash in main", crash: "main.main"},
		{name: "crash before it is opened", crash: "/capture.(*Host).readRecords"},
		{name: "crash before the layout", crash: "/capture.(*Host).NewDumper", some: true},
		{name: "crash behind the layout", crash: "/capture.(*Host).Run"},
		{name: "crash before the first write", crash: "/target.(*Writer).Begin", some: true},
		{name: "crash before the stream", crash: "/capture.(*output).stream", target: true, some: true},
		{name: "crash in the stream", crash: "/capture.(*output).Write", target: true},
		{name: "crash when it is done", crash: "/target.(*Writer).Close", target: true, some: true},
		{name: "silent disk", faults: device.Faults{Silence: device.Always}},
		{name: "disk silent in the stream", faults: device.Faults{Silence: device.AfterWrites(writesBefore + 4)}, target: true},
		{name: "disk breaks in the stream", faults: device.Faults{Break: device.AfterWrites(writesBefore + 4)}, target: true},
	}
	for n := range writes {
		first := n == 0 || n == recordWrites || n == writes/2
		all = append(all,
			stage{name: "disk fails", faults: fails(n), target: n >= recordWrites, some: first},
			stage{name: "reset", faults: resets(n), ends: machine.PoweredOff, target: n+1 >= recordWrites, some: first})
	}
	return all
}

// recordWrites is how many writes the record takes on a target: the digest comes
// with the second.
const recordWrites = 2

// At whatever stage a dump ends, the record of the panic is in the reservation,
// where the next boot finds it, and from the first writes on at the target.
func TestRecordOutlivesEachStage(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		f := freeze(t, scene{on: r.name, sizes: usualScene})
		whole := f.goOn(t, fault{})
		whole.requireRecord(true)
		for _, s := range stages(device.Blocks(whole.machine)[0].Counters().Writes) {
			if !*full && !s.some || !r.takes(s.name, "crash before the stream") || r.architecture == machine.ARM64 && s.ends == machine.TripleFault {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				d := f.goOn(t, fault{disks: map[int]device.Faults{0: s.faults}, change: f.breaks(t, s.crash), ends: s.ends})
				d.requireRecord(s.target)
			})
		}
	})
}

// breaks makes a function of the rescue program what no CPU executes.
func (f *frozen) breaks(t *testing.T, function string) func(physmem.Memory) {
	if function == "" {
		return nil
	}
	b := f.opened.Block
	at := b.Image.Entry
	if function != firstInstruction {
		at = symbol(t, rescueProgram.imageFor(t, f.on.architecture), function)
	}
	undefined := []byte{0x0f, 0x0b, 0x0f, 0x0b} // UD2
	if f.on.architecture == machine.ARM64 {
		undefined = []byte{0, 0, 0, 0} // UDF
	}
	return func(memory physmem.Memory) {
		_, err := memory.WritePhysical(undefined, b.Range(handoff.PartImage).Start+physmem.Address(at-b.Image.LinkBase))
		require.NoError(t, err)
	}
}

// requireRecord requires what the next boot adopts: the whole record of the panic,
// and no other. On the target it is the same one, if it is there.
func (d *dumped) requireRecord(target bool) {
	d.t.Helper()
	block := d.opened.Block
	left := d.reservationBytes(block.Range(handoff.PartRecords))
	area, adopted, err := record.Adopt(make([]byte, len(left)), left, record.DefaultLayout(), record.ID{1})
	require.NoError(d.t, err)
	require.True(d.t, adopted.Found)
	require.False(d.t, adopted.Damaged)
	require.Equal(d.t, uint32(1), area.Panics())
	contents, err := area.Contents()
	require.NoError(d.t, err)
	var panics []record.Stored
	for _, stored := range contents.Records {
		if stored.Source == "host" {
			panics = append(panics, stored)
		}
	}
	require.Len(d.t, panics, 1)
	found, err := record.Decode(panics[0].Data)
	require.NoError(d.t, err)
	require.Equal(d.t, uint32(handoff.ReasonExit), found.Reason)
	require.Equal(d.t, "the program ended with exit code 2", found.Message)
	require.Zero(d.t, found.Flags&record.FlagMinimal)
	require.NotEmpty(d.t, found.Registers)

	result, err := reader.Target(d.disks[0], d.disks[0].Size())
	if !target {
		require.Error(d.t, err)
		return
	}
	require.NoError(d.t, err, "%s", d.console)
	require.Empty(d.t, result.Problems)
	last := result.Contents.Records[len(result.Contents.Records)-1]
	require.Equal(d.t, panics[0].Data, last.Data)
}
