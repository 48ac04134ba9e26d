// Lpis is a host on QEMU's board virt whose GICv3 takes LPIs: it gives tables at
// the top of memory to the redistributors and the interrupt translation service,
// as firmware would, in memory that no allocator knows to be in use. It says
// what it gave, arms and panics.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/seed64aab995/rescuekernel/device/gic"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/rescue"
)

// Where the board has its controllers (QEMU hw/arm/virt.c).
const (
	redistributors physmem.Address = 0x80a_0000
	service        physmem.Address = 0x808_0000
)

func main() {
	if err := work(); err != nil {
		fmt.Println("host:", err)
		os.Exit(1)
	}
}

// tables are handed out from the top of memory down.
type tables struct {
	memory *kernel.PhysicalMemory
	next   physmem.Address
}

func (t *tables) take(size physmem.Address) physmem.Range {
	end := t.next
	t.next = (t.next - size).AlignDown(64 << 10)
	clear(t.memory.ViewPhysical(physmem.Range{Start: t.next, End: end}))
	return physmem.Range{Start: t.next, End: t.next + size}
}

func say(kind handoff.InterruptTableKind, controller physmem.Address, register uint64, memory physmem.Range) {
	fmt.Printf("lpis: %d %#x %#x %#x %#x\n", kind, uint64(controller), register, uint64(memory.Start), uint64(memory.End))
}

func work() error {
	boot, err := kernel.Boot()
	if err != nil {
		return err
	}
	memory, err := kernel.Memory()
	if err != nil {
		return err
	}
	ranges := memory.Ranges()
	t := &tables{memory, ranges[len(ranges)-1].End}
	commandLine := strings.Fields(boot.CommandLine)
	cpus := len(commandLine) // a word for each
	if err := t.service(); err != nil {
		return err
	}
	configuration := t.take(0xe000)
	for cpu := range cpus {
		if err := t.redistributor(redistributors+physmem.Address(cpu)*gic.RedistributorSize, configuration); err != nil {
			return err
		}
	}
	module := boot.Modules[0].Range
	armed, err := rescue.Arm(rescue.Config{
		Platform: kernel.Platform{}, Image: physmem.NewExtentReader(memory, []physmem.Range{module}),
		ImageRange: module.AlignOutward(handoff.PageSize),
	})
	if err != nil {
		return err
	}
	fmt.Printf("host: armed %v, freeze point %v\n", armed.Reservation(), armed.FreezePoint())
	if commandLine[0] == "panic=none" {
		return nil
	}
	fmt.Println(`host: panic of kind "call"`)
	armed.Panic("the tables are set")
	return nil
}

// redistributor gives a redistributor its tables.
func (t *tables) redistributor(base physmem.Address, configuration physmem.Range) error {
	registers, err := kernel.MapDevice(physmem.Range{Start: base, End: base + 0x1000})
	if err != nil {
		return err
	}
	const cached, cleared, bits = 7 << 7, 1 << 62, 15
	bitmap := t.take(0x2000)
	properties := set(word(registers+gic.RedistributorProperties), uint64(configuration.Start)|cached|bits)
	pending := set(word(registers+gic.RedistributorPending), uint64(bitmap.Start)|cached|cleared)
	*half(registers + gic.RedistributorControl) |= gic.RedistributorEnableLPIs
	say(handoff.InterruptProperties, base, properties, configuration)
	say(handoff.InterruptPending, base, pending, bitmap)
	return nil
}

// service gives the ITS its command queue and its tables, that of devices in two
// levels.
func (t *tables) service() error {
	registers, err := kernel.MapDevice(physmem.Range{Start: service, End: service + 0x1000})
	if err != nil {
		return err
	}
	queue := t.take(64 << 10)
	commands := set(word(registers+gic.ITSCommandBase), gic.ITSValid|uint64(queue.Start)|15)
	say(handoff.InterruptCommands, service, commands, queue)
	for n := range uintptr(gic.ITSTables) {
		register := word(registers + gic.ITSTable + 8*n)
		kind := read(register) >> gic.ITSTypeShift & 7
		if kind == 0 {
			continue
		}
		first, value := t.take(64<<10), uint64(gic.ITSValid|2<<8)
		if kind == gic.ITSTypeDevices {
			value |= gic.ITSIndirect
		}
		value = set(register, value|uint64(first.Start))
		say(handoff.InterruptITS+handoff.InterruptTableKind(n), service, value, first)
		if value&gic.ITSIndirect != 0 {
			second := t.take(64 << 10)
			at, err := kernel.Platform{}.VirtualAddress(first)
			if err != nil {
				return err
			}
			*word(at + 8*5) = gic.ITSValid | uint64(second.Start)
			say(handoff.InterruptSecondLevel, service, 0, second)
		}
	}
	*half(registers + gic.ITSControl) |= gic.ITSEnabled
	return nil
}
