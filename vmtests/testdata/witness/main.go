// Witness is a rescue program that tells on the console what it sees of its
// host, a fact a line, for a test to compare with the machine's true memory.
//
// Its variable "witness" makes it a liar, for the tests of the tests: "write"
// writes a byte of the host's memory, "lie" tells a digest that is wrong. Its
// variable "digest" is what to tell digests of where all is too much:
// START-END,START-END, physical addresses.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// unit is how much memory a digest covers.
const unit = 1 << 20

// edition is here for a test to make another image of this one.
var edition = "edition one"

var mainTime = time.Duration(kernel.SinceEntry())

func main() {
	if err := testify(); err != nil {
		fmt.Println("witness: error", err)
		os.Exit(1)
	}
	fmt.Println("witness: done")
}

func fact(name string, value any) { fmt.Printf("witness: %s %v\n", name, value) }

func testify() error {
	boot, err := kernel.Boot()
	if err != nil {
		return err
	}
	memory, err := kernel.Memory()
	if err != nil {
		return err
	}
	r, err := reserve.Open(memory, boot.Reservation.Start, reserve.StageSecond)
	if err != nil {
		fact("broken", err)
	}
	if r == nil {
		return err
	}
	fact("edition", edition)
	fact("build_id", r.Block.Host.BuildID)
	if environment, err := r.Environment(); err == nil {
		fact("environment", fmt.Sprintf("%q", environment))
	}
	fact("entry_to_main_ns", mainTime.Nanoseconds())
	if err := panicFacts(r); err != nil {
		return err
	}
	if os.Getenv("witness") == "write" {
		if err := scribble(r.Block.Memory[0].Start + 0x5000); err != nil {
			return err
		}
	}
	if err := digestRegion(memory, r.Block.MessageBuffer); err != nil {
		return err
	}
	ranges, err := toDigest(r.Block.Memory)
	if err != nil {
		return err
	}
	return digestMemory(memory, ranges)
}

// toDigest is the host's memory, or what of it the variable "digest" says.
func toDigest(memory []physmem.Range) ([]physmem.Range, error) {
	wanted := os.Getenv("digest")
	if wanted == "" {
		return memory, nil
	}
	var ranges []physmem.Range
	for text := range strings.SplitSeq(wanted, ",") {
		var r physmem.Range
		if _, err := fmt.Sscanf(text, "%v-%v", &r.Start, &r.End); err != nil {
			return nil, fmt.Errorf("digest %q: %w", text, err)
		}
		ranges = append(ranges, r)
	}
	rest := physmem.NewRanges(memory...).Minus(physmem.NewRanges(ranges...))
	return physmem.NewRanges(memory...).Minus(rest), nil
}

// panicFacts tells what the host wrote when it panicked.
func panicFacts(r *reserve.Reservation) error {
	area, err := r.PanicArea()
	if err != nil {
		return err
	}
	fact("reason", area.Reason)
	fact("message", fmt.Sprintf("%q", area.Message))
	fact("broken_seals", area.BrokenSeals)
	fact("nested", area.Nested)
	fact("not_stopped", area.NotStopped)
	fact("loop", area.Orders.Loop)
	for _, n := range area.Notifiers {
		fact("notifier_"+n.Name, n.Outcome)
		fact("ended_"+n.Name, fmt.Sprintf("vector=%d pc=%#x time=%d", n.Vector, n.PC, n.Time))
	}
	// The counter's unit is a fact of the machine, the same on both sides.
	if clock, err := kernel.ClockInfo(); err == nil && clock.Kilohertz != 0 {
		for phase, at := range area.Phases[:handoff.PhaseEntry] {
			fact(fmt.Sprintf("phase%d_to_entry_ns", phase), (clock.Entry-at)*1_000_000/clock.Kilohertz)
		}
	}
	var cpus []uint32
	for _, registers := range area.Registers {
		cpus = append(cpus, registers.CPU)
	}
	fact("cpus", cpus)
	for _, registers := range area.Registers {
		text, general, err := describe(registers.State, area)
		if err != nil {
			return err
		}
		name := "registers"
		if registers.Slot != 0 {
			name = fmt.Sprintf("registers%d", registers.CPU)
		}
		fact(name, fmt.Sprintf("cpu=%d %s", registers.CPU, text))
		fact(fmt.Sprintf("general%d", registers.CPU), fmt.Sprintf("%x", general))
	}
	return nil
}

// scribble writes to the host's memory by mapping it as if it were a device.
func scribble(address physmem.Address) error {
	at, err := kernel.MapDevice(physmem.Range{Start: address, End: address + handoff.PageSize})
	if err != nil {
		return err
	}
	*at8(at) ^= 1
	return nil
}

func digestRegion(memory physmem.Reader, region handoff.Region) error {
	data := make([]byte, region.Length)
	if _, err := physmem.NewExtentReader(memory, region.Extents).ReadAt(data, 0); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	fact("log", hex.EncodeToString(sum[:]))
	return nil
}

// castagnoli is CRC-32C, for which CPUs have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digestMemory tells the digest of all of the host's memory, a unit a line.
func digestMemory(memory physmem.Viewer, ranges []physmem.Range) error {
	for i, r := range ranges {
		for at := r.Start; at < r.End; at += unit {
			piece := physmem.Range{Start: at, End: min(at+unit, r.End)}
			data := memory.ViewPhysical(piece)
			if data == nil {
				return fmt.Errorf("%v cannot be read", piece)
			}
			sum := crc32.Checksum(data, castagnoli)
			if i == 0 && at == r.Start && os.Getenv("witness") == "lie" {
				sum ^= 1
			}
			fact("digest", fmt.Sprintf("%#x %#x %08x", uint64(piece.Start), uint64(piece.End), sum))
		}
	}
	return nil
}
