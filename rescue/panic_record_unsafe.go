package rescue

import (
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/record"
)

// records is where the host sees the record area.
//
//go:nosplit
func records(area uintptr) (start, size uintptr) {
	return uintptr(load64(order(area, handoff.OrderOffsetRecords))), uintptr(load64(order(area, handoff.OrderOffsetRecordSize)))
}

// beginRecord writes what is known at once, into the panic area and as the
// minimal record of the panic.
//
//go:nosplit
func beginRecord(c *handoff.PanicContext, block, area uintptr) {
	writeMinimal(c, area)
	start, size := records(area)
	f := record.PanicFields(start, size)
	if f == nil {
		stamp(area, handoff.PhaseRecorded)
		return
	}
	kilohertz := load64(block + handoff.OffsetTSCKilohertz)
	if wall := load64(block + handoff.OffsetWallClock); wall != 0 {
		f.Time = int64(wall + record.Nanoseconds(c.Entered-load64(block+handoff.OffsetTSC), kilohertz))
	}
	f.Uptime = record.Nanoseconds(c.Entered-load64(order(area, handoff.OrderOffsetStarted)), kilohertz)
	f.CPU, f.Reason = c.CPU, uint32(c.Reason)
	f.Vector, f.ErrorCode, f.FaultAddress, f.PC = c.Vector, c.ErrorCode, c.FaultAddress, c.PC
	f.Architecture = architecture
	f.Class.Set(record.ViewString(class(c)))
	f.Message.Set(record.ViewAt(uintptr(unsafe.Pointer(&c.Message)), messageLength(c)))
	f.BuildID.Set(record.ViewAt(order(area, handoff.OrderOffsetBuildID), buildIDLength(area)))
	if c.StateLength != 0 {
		f.Registers.Set(record.ViewAt(uintptr(unsafe.Pointer(&c.State)), stateLength(c)))
	}
	sequence := record.BeginPanic(start, size, f)
	store64(order(area, handoff.OrderOffsetSequence), sequence)
	store64(order(area, handoff.OrderOffsetFields), uint64(uintptr(unsafe.Pointer(f))))
	store32(order(area, handoff.OrderOffsetLoop), record.Panics(start, size))
	clean(area, start, size)
	stamp(area, handoff.PhaseRecorded)
}

//go:nosplit
func buildIDLength(area uintptr) uintptr {
	n := uintptr(load32(order(area, handoff.OrderOffsetBuildIDSize)))
	if n > handoff.MaxOrderBuildID {
		return 0
	}
	return n
}

// class is the record's.
//
//go:nosplit
func class(c *handoff.PanicContext) string {
	switch c.Reason {
	case handoff.ReasonUserFault, handoff.ReasonKernelFault, handoff.ReasonDoubleFault:
		if pageFault(c) {
			return record.ClassPage
		}
		return record.ClassException
	case handoff.ReasonNMI:
		return record.ClassNMI
	case handoff.ReasonMachineCheck:
		return record.ClassMachineCheck
	case handoff.ReasonMemory:
		return record.ClassMemory
	case handoff.ReasonWatchdog:
		return record.ClassWatchdog
	}
	return record.ClassPanic
}

// completeRecord writes the record again, with what is known by now. The stack
// is looked at first, under the kernel's guard: it may be what broke.
//
//go:nosplit
func completeRecord(c *handoff.PanicContext, _, area uintptr) {
	writeRest(c, area)
	sequence := load64(order(area, handoff.OrderOffsetSequence))
	if sequence == 0 {
		return
	}
	start, size := records(area)
	f := (*record.Fields)(pointer(uintptr(load64(order(area, handoff.OrderOffsetFields)))))
	f.NotStopped = load32(area + handoff.PanicOffsetNotStopped)
	f.Stopped = stopped(area)
	if stackReadable(c, area) {
		f.StackAddress = c.Stack
		f.Stack.Set(record.ViewAt(uintptr(c.Stack), stackPiece(c)))
	}
	record.CompletePanic(start, size, sequence, f)
	clean(area, start, size)
}

// clean keeps memory across a reset that comes now, whoever does it.
//
//go:nosplit
func clean(area, address, bytes uintptr) {
	if at := uintptr(load64(order(area, handoff.OrderOffsetClean))); at != 0 {
		(*(*func(address, bytes uintptr))(unsafe.Pointer(&at)))(address, bytes)
	}
}

// stopped is how many other CPUs saved their registers.
//
//go:nosplit
func stopped(area uintptr) (n uint32) {
	slots := load32(area + handoff.PanicOffsetCPUs)
	for i := uint32(1); i < slots && i < handoff.MaxCPUs; i++ {
		n += load32(area + handoff.PanicOffsetRegisters + uintptr(i)*handoff.RegisterSlotSize + handoff.SlotOffsetValid)
	}
	return n
}

// stackPiece is how much of the stack is in the record: to the end of its page
// at most.
//
//go:nosplit
func stackPiece(c *handoff.PanicContext) uintptr {
	const most = 512
	if left := handoff.PageSize - uintptr(c.Stack)%handoff.PageSize; left < most {
		return left
	}
	return most
}

//go:nosplit
func stackReadable(c *handoff.PanicContext, area uintptr) bool {
	guard := uintptr(load64(order(area, handoff.OrderOffsetGuard)))
	if guard == 0 || c.Stack == 0 {
		return false
	}
	n := handoff.Notice{Context: c, PanicArea: area}
	f := touchStack
	outcome, _, _ := (*(*guardFunction)(unsafe.Pointer(&guard)))(*(*uintptr)(unsafe.Pointer(&f)), (*handoff.Notice)(hide(unsafe.Pointer(&n))), 0)
	return outcome == handoff.OutcomeDone && n.Item != 0
}

// informOfRecords prints the number of this panic's record, and the newest of
// those that came before it.
func informOfRecords(n *handoff.Notice) {
	const most = 8
	own := load64(order(n.PanicArea, handoff.OrderOffsetSequence))
	n.Print("panic: record ")
	n.PrintDecimal(own)
	n.Print(", panics in a row ")
	n.PrintDecimal(uint64(load32(order(n.PanicArea, handoff.OrderOffsetLoop))))
	n.Print("\n")
	start, size := records(n.PanicArea)
	r, ok := record.Before(start, size, 1<<32-1, 1<<64-1)
	for i := 0; ok && i <= most; i++ {
		if i > 0 || r.Sequence != own {
			n.Print("panic: boot ")
			n.PrintDecimal(uint64(r.Boot))
			n.Print(" record ")
			n.PrintDecimal(r.Sequence)
			n.Print(": ")
			printText(n, &r.Source)
			n.Print(": ")
			printText(n, &r.Class)
			n.Print(": ")
			printText(n, &r.Message)
			n.Print("\n")
		}
		r, ok = record.Before(start, size, r.Boot, r.Sequence)
	}
}

// printText prints the beginning of a text in one line.
func printText(n *handoff.Notice, v *record.View) {
	const most = 160
	for i := uintptr(0); i < v.Len() && i < most; i++ {
		if c := v.At(i); n.Output != nil && c >= ' ' && c != 0x7f {
			n.Output(v.Address()+i, 1)
		} else {
			n.Print(" ")
		}
	}
}

// touchStack reads the stack's page, or faults.
//
//go:nosplit
func touchStack(n *handoff.Notice) { n.Item = 1 | uint32(load8(uintptr(n.Context.Stack))) }
