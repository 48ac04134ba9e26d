package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
	"github.com/seed64aab995/rescuekernel/reserve"
)

// arm arms with the boot module as rescue image, and panics in the way of its
// argument.
func arm(arguments []string) {
	module := must(kernel.Boot()).Modules[0].Range
	image := physmem.NewExtentReader(must(kernel.Memory()), []physmem.Range{module})
	armed := must(rescue.Arm(rescue.Config{
		Platform: kernel.Platform{}, Image: image, ImageRange: module,
		Settings: handoff.Environment{{Name: "greeting", Value: "hello from the host"}},
		NMI:      true,
	}))
	fmt.Print(armed.Report())
	fmt.Printf("freeze point %v\n", armed.FreezePoint())
	_, err := must(kernel.Memory()).WritePhysical([]byte{1}, armed.Reservation().Start)
	check(err != nil, "the reservation can be written")
	fmt.Println("computing")
	switch arguments[0] {
	case "call":
		armed.Panic("as asked for")
	case "throw":
		var p *int
		*p = 1
	case "memory":
		exhaust(nil)
	case "recursion":
		recursion(nil)
	case "gate":
		kernel.Enter(1<<45, 0)
	case "nmi":
		time.Sleep(10 * time.Second)
	}
}

// dump compresses the host's memory as a dump is, page by page.
func dump(memory *kernel.PhysicalMemory, ranges []physmem.Range) {
	count := &counter{}
	start := time.Now()
	e := must(zstd.NewWriter(count, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(64<<10)))
	for _, r := range ranges {
		for a := r.Start; a < r.End; a += 4096 {
			must(e.Write(memory.ViewPhysical(physmem.Range{Start: a, End: a + 4096})))
			count.in += 4096
		}
	}
	check(e.Close() == nil, "close")
	took := time.Since(start)
	s := must(kernel.Stats())
	fmt.Printf("compressed %d to %d bytes in %v, %.0f MB/s; fewest frames free %d\n", count.in, count.out, took, float64(count.in)/took.Seconds()/1e6, s.FramesLeast)
}

type counter struct{ in, out int }

func (c *counter) Write(p []byte) (int, error) {
	c.out += len(p)
	return len(p), nil
}

// rescued is the rescue program: it tells what it finds.
func rescued() {
	boot := must(kernel.Boot())
	block := must(handoff.Parse(boot.Block))
	memory := must(kernel.Memory())
	r, err := reserve.Open(memory, boot.Reservation.Start, reserve.StageSecond)
	check(err == nil, "open the reservation: %v", err)
	area := must(r.PanicArea())
	fmt.Printf("rescued %v after %v: %v, %q, greeting %q\n", boot.Role, mainTime, area.Reason, area.Message, os.Getenv("greeting"))
	fmt.Printf("%s memory limit %s\n", registers(area.Registers[0].State), os.Getenv("GOMEMLIMIT"))

	log := make([]byte, block.MessageBuffer.Length)
	must(memory.ReadPhysical(log, block.MessageBuffer.Extents[0].Start))
	check(strings.Contains(string(log), "freeze point"), "the host's message buffer")
	for _, m := range block.Memory {
		_, err := memory.WritePhysical([]byte{0}, m.Start+0x1000)
		var access *physmem.AccessError
		check(errors.As(err, &access), "the host's memory at %v can be written", m)
	}
	text := **(**uintptr)(unsafe.Pointer(&[]func(uintptr){poke}[0]))
	alias := uintptr(handoff.DirectMapBase) + uintptr(boot.Reservation.Start) + uintptr(block.Parts[handoff.PartImage].Offset) + text - uintptr(block.Image.LinkBase)
	check(faults(func() { poke(text) }) && faults(func() { poke(alias) }), "text can be written")
	s := must(kernel.Stats())
	fmt.Printf("user %v start %v main %v faults %d calls %d frames free %d of %d\n", time.Duration(s.EntryToUser), time.Duration(s.EntryToStart), mainTime, s.PageFaults, s.SystemCalls, s.FramesFree, s.FramesTotal)
	run(nil)
	dump(memory, block.Memory)
	fmt.Println("scenario done")
}
