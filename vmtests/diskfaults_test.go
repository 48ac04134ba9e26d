package vmtests

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/target"
	"github.com/seed64aab995/rescuekernel/emulator/device"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// A host that goes on in another machine ends as a whole dump: what the tests of
// faults rely on.
func TestFrozenHostGoesOn(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		d := freeze(t, scene{on: r.name, sizes: usualScene}).goOn(t, fault{})
		d.requireStatus("whole", "0")
		_, pages := d.requireWhole(0)
		require.Greater(t, pages, 500)
		t.Logf("%d pages, took %v: %v", pages, d.took, d.report())
	})
}

// A disk that is too small has a dump that was cut at a frame's end, and says so.
func TestDiskTooSmall(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		for _, compress := range []string{"zstd", "none"} {
			if !r.takes(compress, "zstd") {
				continue
			}
			t.Run(compress, func(t *testing.T) {
				size := "2"
				if compress == "none" && r.architecture == machine.ARM64 {
					size = "8" // its page tables are 4 MiB, and come before any page
				}
				d := freeze(t, scene{on: r.name, sizes: size, command: "debug.rescue.compress=" + compress}).goOn(t, fault{})
				d.requireStatus("cut", "0")
				require.Contains(t, d.console.String(), "too small", "the operator is told")
				file, dump, err := d.open(0)
				require.NoError(t, err, "%s", d.console)
				require.False(t, file.Complete() && dump.Complete())
				require.True(t, file.KernelDump().Header.Incomplete)
				require.Equal(t, d.report()["content"], fmt.Sprint(file.Size()), "it does not end at a frame's end")
				pages, holes := d.requireTruePages(dump)
				require.NotZero(t, pages)
				require.Equal(t, d.report()["pages"], fmt.Sprint(pages))
				for _, h := range holes {
					require.Equal(t, minidump.HoleBeyondEnd, h.Reason, "%v", h)
				}
				cut := d.earlyNotes(0).Cut
				require.NotNil(t, cut, "the cut is not recorded")
				require.Equal(t, minidump.CutSize, cut.Reason)
				require.Equal(t, dump.NumPages()-uint64(pages), cut.Pages)
				d.requireUnchanged()
			})
		}
	})
}

// earlyNotes are the notes that lie ahead of the dump.
func (d *dumped) earlyNotes(disk int) *minidump.Notes {
	d.t.Helper()
	label, err := target.Read(d.disks[disk], d.disks[disk].Size(), 0)
	require.NoError(d.t, err)
	early, err := target.ReadEarly(d.disks[disk], label)
	require.NoError(d.t, err)
	section := early.Section(target.KindNotes)
	require.NotNil(d.t, section, "the early record has no notes")
	notes, err := minidump.DecodeNotes(section.Data)
	require.NoError(d.t, err)
	return notes
}

// Where the first disk is too small the second one gets the whole dump.
func TestSecondDiskIsLargeEnough(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		d := freeze(t, scene{on: r.name, sizes: "2 16"}).goOn(t, fault{})
		d.requireStatus("whole", "1")
		d.requireWhole(1)
		_, dump, err := d.open(0)
		require.NoError(t, err)
		require.False(t, dump.Complete())
		pages, _ := d.requireTruePages(dump)
		require.NotZero(t, pages, "what went to the first disk is still a dump")
	})
}

// spoilLabel takes a disk's label away.
func spoilLabel(disks []*memoryDisk) { clear(disks[0].content[target.LabelOffset:][:512]) }

// otherLabel labels a disk anew.
func otherLabel(disks []*memoryDisk) {
	if _, err := target.Prepare(disks[0], target.PrepareOptions{Size: disks[0].Size(), ID: target.ID{1}, Force: true}); err != nil {
		panic(err)
	}
}

// A first disk that does not take the dump is followed by the second one, within
// the driver's deadline, and with a word about why.
func TestNextDisk(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		f := freeze(t, scene{on: r.name, sizes: "16 16"})
		deviceSays := func(change func(*device.Answer)) device.Faults {
			return device.Faults{Corrupt: func(r device.Request, a *device.Answer) {
				if r.IsWrite() {
					change(a)
				}
			}}
		}
		for _, test := range []struct {
			name   string
			faults device.Faults
			spoil  func([]*memoryDisk)
			says   string
		}{
			{"fails", device.Faults{Fail: device.AfterWrites(7)}, nil, "input/output error"},
			{"fails at once", device.Faults{Fail: device.Always}, nil, "input/output error"},
			{"never answers", device.Faults{Silence: device.Always}, nil, "has not answered in time"},
			{"answers no more", device.Faults{Silence: device.AfterWrites(9)}, nil, "has not answered in time"},
			{"needs a reset", device.Faults{Break: device.AfterWrites(4)}, nil, "has not answered in time"},
			{"label gone", device.Faults{}, spoilLabel, "no dump-target label"},
			{"other label", device.Faults{}, otherLabel, "fixed when arming"},
			{"used ring with a wrong descriptor", deviceSays(func(a *device.Answer) { a.ID = 0xdead }), nil, "broke the protocol"},
			{"used ring with a wrong length", deviceSays(func(a *device.Answer) { a.Length = 1 << 31 }), nil, "broke the protocol"},
			{"used ring that runs ahead", deviceSays(func(a *device.Answer) { a.Index += 100 }), nil, "broke the protocol"},
			{"status that is none", deviceSays(func(a *device.Answer) { a.Status = 77 }), nil, "broke the protocol"},
		} {
			if !r.takes(test.name, "fails") {
				continue
			}
			t.Run(test.name, func(t *testing.T) {
				t.Parallel() // some wait for a deadline
				d := f.goOn(t, fault{disks: map[int]device.Faults{0: test.faults}, spoil: test.spoil})
				d.requireStatus("whole", "1")
				d.requireWhole(1)
				require.Contains(t, d.console.String(), "target 0")
				require.Contains(t, d.console.String(), test.says)
				require.Less(t, d.took, 20*time.Second)
				t.Logf("took %v; %s", d.took, firstLine(d.console.String(), "target 0"))
			})
		}
	})
}

// firstLine is the first line with text in it.
func firstLine(console, text string) string {
	for line := range bytes.Lines([]byte(console)) {
		if bytes.Contains(line, []byte(text)) {
			return string(bytes.TrimSpace(line))
		}
	}
	return ""
}

// Where no disk takes the dump the machine ends by itself, and a disk that is no
// target any more has not been written.
func TestNoDiskTakesTheDump(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		f := freeze(t, scene{on: r.name, sizes: usualScene})
		for _, test := range []struct {
			name   string
			faults device.Faults
			spoil  func([]*memoryDisk)
		}{
			{"label gone", device.Faults{}, spoilLabel},
			{"never answers", device.Faults{Silence: device.Always}, nil},
		} {
			if !r.takes(test.name, "label gone") {
				continue
			}
			t.Run(test.name, func(t *testing.T) {
				t.Parallel() // some wait for a deadline
				var before []byte
				d := f.goOn(t, fault{
					disks: map[int]device.Faults{0: test.faults},
					spoil: func(disks []*memoryDisk) {
						if test.spoil != nil {
							test.spoil(disks)
						}
						before = bytes.Clone(disks[0].content)
					},
				})
				d.requireStatus("failed", "-1")
				require.Contains(t, d.console.String(), "no target took the dump")
				require.True(t, bytes.Equal(before, d.disks[0].content), "the disk was written")
				require.Less(t, d.took, 20*time.Second)
				d.requireUnchanged()
			})
		}
	})
}

// A device that writes where it must not: the dump is made, and true but for the
// very pages that were written.
func TestDeviceScribbles(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		f := freeze(t, scene{on: r.name, sizes: usualScene})
		dump, _ := f.goOn(t, fault{}).requireWhole(0)
		var scribbled physmem.Ranges
		n := 0
		for address := range dump.Pages() {
			page := physmem.Range{Start: address, End: address + 4096}
			if n++; n%500 == 250 && !f.opened.Block.Reservation.Overlaps(page) {
				scribbled = scribbled.Union(physmem.NewRanges(page))
			}
		}
		require.GreaterOrEqual(t, len(scribbled), 3)
		d := f.goOn(t, fault{disks: map[int]device.Faults{0: {Scribble: scribbled}}})
		d.requireStatus("whole", "0")
		_, dump, err := d.open(0)
		require.NoError(t, err)
		require.True(t, dump.Complete(), "%v", dump.Problems())
		pages, holes := d.requireTruePages(dump, scribbled...)
		require.Empty(t, holes)
		require.NotZero(t, pages)
		changed := d.changedMemory()
		require.Empty(t, changed.Minus(scribbled), "more than the device's pages changed")
		for _, r := range scribbled {
			require.True(t, changed.Overlaps(r), "%v was not scribbled on: the test tests nothing", r)
		}
		for _, r := range d.compare(dump).wrong {
			require.True(t, scribbled.ContainsRange(r), "%v", r)
		}
	})
}

// The check of pages is checked: one byte that differs is found.
func TestWrongPageIsCaught(t *testing.T) {
	d := freeze(t, scene{sizes: usualScene}).goOn(t, fault{})
	dump, _ := d.requireWhole(0)
	n := 0
	for address := range dump.Pages() {
		if n++; n < 1000 || d.opened.Block.Reservation.Contains(address) {
			continue
		}
		flipAt(t, d.before.Memory, address+1234)
		require.Equal(t, physmem.Ranges{{Start: address, End: address + 4096}}, d.compare(dump).wrong)
		require.Equal(t, physmem.Ranges{{Start: address + 1234, End: address + 1235}}, d.changedMemory())
		return
	}
}

// The same disk by each interface that it may have.
func TestDiskInterfaces(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		attachments := []device.Attachment{device.PCILegacy, device.PCIModern}
		if r.architecture == machine.ARM64 {
			attachments = []device.Attachment{device.MMIOLegacy, device.MMIOModern}
		}
		for _, attachment := range attachments {
			if !r.takes(attachment.String(), device.MMIOLegacy.String()) {
				continue
			}
			t.Run(attachment.String(), func(t *testing.T) {
				d := freeze(t, scene{on: r.name, sizes: usualScene}).goOn(t, fault{attachment: attachment})
				d.requireStatus("whole", "0")
				d.requireWhole(0)
			})
		}
	})
}

// Where every disk fails each keeps what it took, and the machine ends by itself.
func TestEachDiskFails(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		r.onlyFull(t)
		d := freeze(t, scene{on: r.name, sizes: "16 16"}).goOn(t, fault{disks: map[int]device.Faults{
			0: {Fail: device.AfterWrites(20)}, 1: {Fail: device.AfterWrites(30)},
		}})
		d.requireStatus("failed", "-1")
		d.requireUnchanged()
		last := 0
		for disk := range d.disks {
			_, dump, err := d.open(disk)
			require.NoError(t, err, "disk %d: %s", disk, d.console)
			pages, _ := d.requireTruePages(dump)
			require.Greater(t, pages, last, "disk %d took more writes", disk)
			last = pages
			require.Contains(t, d.console.String(), fmt.Sprintf("target %d, disk at ", disk))
		}
	})
}

// Non-maskable interrupts without end, from outside.
func TestNMIsDuringTheDump(t *testing.T) {
	d := freeze(t, scene{sizes: usualScene}).restore(t, fault{})
	ended, done := make(chan struct{}), make(chan struct{})
	sent := 0
	go func() {
		defer close(done)
		for d.machine.NMI(0) == nil && sent < 100_000 {
			sent++
			select {
			case <-t.Context().Done():
				return
			case <-ended:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	d.exit = d.finish()
	close(ended)
	<-done
	d.requireStatus("whole", "0")
	d.requireWhole(0)
	t.Logf("%d NMIs", sent)
}

// A device that raises interrupts without end stops no rescue program: it polls.
func TestInterruptStorm(t *testing.T) {
	eachArchitecture(t, func(t *testing.T, r runner) {
		for _, controller := range []bool{false, true} {
			if controller && r.architecture == machine.ARM64 {
				continue // it has one in any case
			}
			t.Run(fmt.Sprintf("controller %v", controller), func(t *testing.T) {
				d := freeze(t, scene{on: r.name, sizes: usualScene}).goOn(t, fault{controller: controller, disks: map[int]device.Faults{0: {Storm: device.Always}}})
				d.requireStatus("whole", "0")
				d.requireWhole(0)
				counters := device.Blocks(d.machine)[0].Counters()
				require.GreaterOrEqual(t, counters.Interrupts, counters.Kicks, "the storm was none")
				t.Logf("%d interrupts, took %v", counters.Interrupts, d.took)
			})
		}
	})
}
