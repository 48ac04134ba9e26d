package rescue

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
)

// function is the address of a func value, 0 for nil.
func function[F any](f *F) uint64 { return uint64(*(*uintptr)(unsafe.Pointer(f))) }

// writeOrders writes into the panic area what the panic path is to do.
func (a *arming) writeOrders(block *handoff.Block, at uintptr) error {
	orders := make([]byte, handoff.OrdersSize)
	u32 := func(offset int, v uint32) { binary.LittleEndian.PutUint32(orders[offset:], v) }
	u64 := func(offset int, v uint64) { binary.LittleEndian.PutUint64(orders[offset:], v) }
	lists, err := a.Level.lists(a.facts.MessageBuffer.Length != 0)
	if err != nil {
		return err
	}
	notifiers, err := a.notifiers()
	if err != nil {
		return err
	}
	patience := a.Patience
	if patience == 0 {
		patience = DefaultPatience
	}
	limit := a.LoopLimit
	if limit == 0 {
		limit = DefaultLoopLimit
	}
	machine := &a.facts.Panic
	u64(handoff.OrderOffsetPatience, a.ticks(patience))
	u64(handoff.OrderOffsetBudget, a.ticks(listBudget))
	u32(handoff.OrderOffsetLists, lists)
	u32(handoff.OrderOffsetNotifiers, uint32(len(notifiers)))
	u32(handoff.OrderOffsetLoopLimit, uint32(max(limit, 0)))
	u64(handoff.OrderOffsetStop, function(&machine.StopOthers))
	u64(handoff.OrderOffsetGuard, function(&machine.Guard))
	u64(handoff.OrderOffsetClean, function(&machine.Clean))
	u64(handoff.OrderOffsetPrint, function(&machine.Print))
	u64(handoff.OrderOffsetPat, function(&a.Watchdog.Pat))
	if machine.Timer {
		u32(handoff.OrderOffsetTimer, 1)
	}
	u64(handoff.OrderOffsetStarted, machine.Started)
	if part := block.Parts[handoff.PartRecords]; part.Size != 0 {
		u64(handoff.OrderOffsetRecords, uint64(at)+part.Offset)
		u64(handoff.OrderOffsetRecordSize, part.Size)
	}
	u64(handoff.OrderOffsetRamoops, uint64(a.zone))
	u64(handoff.OrderOffsetRamoopsSize, uint64(a.zoneSize))
	u32(handoff.OrderOffsetBuildIDSize, uint32(copy(orders[handoff.OrderOffsetBuildID:], a.facts.Host.BuildID)))

	area := block.Range(handoff.PartPanicArea).Start
	for _, piece := range []struct {
		data   []byte
		offset physmem.Address
	}{{orders, handoff.PanicOffsetOrders}, {a.slots(notifiers), handoff.PanicOffsetNotifiers}} {
		if _, err := a.memory.WritePhysical(piece.data, area+piece.offset); err != nil {
			return fmt.Errorf("orders for the panic path: %w", err)
		}
	}
	return nil
}

// ticks is a time in counts of the host's counter. One whose frequency is not
// known is taken for 1 GHz: too short a time is as bad as none.
func (a *arming) ticks(d time.Duration) uint64 {
	kilohertz := a.facts.Clock.Kilohertz
	if kilohertz == 0 {
		kilohertz = 1_000_000
	}
	return uint64(d.Microseconds()) * kilohertz / 1000
}

// slots are the notifiers as the panic path reads them.
func (a *arming) slots(notifiers []Notifier) []byte {
	slots := make([]byte, len(notifiers)*handoff.NotifierSlotSize)
	for i := range notifiers {
		n, slot := &notifiers[i], slots[i*handoff.NotifierSlotSize:]
		item, budget := uint32(n.Item), n.Budget
		if n.LoopFree {
			item |= handoff.NotifierLoopFree
		}
		if budget == 0 {
			budget = DefaultBudget
		}
		binary.LittleEndian.PutUint64(slot[handoff.NotifierOffsetFunction:], function(&n.Run))
		binary.LittleEndian.PutUint64(slot[handoff.NotifierOffsetBudget:], max(a.ticks(budget), 1))
		binary.LittleEndian.PutUint32(slot[handoff.NotifierOffsetList:], uint32(n.List))
		binary.LittleEndian.PutUint32(slot[handoff.NotifierOffsetItem:], item)
		copy(slot[handoff.NotifierOffsetName:][:handoff.MaxNotifierName], n.Name)
	}
	return slots
}

// openRecords opens the record area; nil where the platform's memory does not
// lend it.
func openRecords(memory physmem.Memory, block *handoff.Block) (*record.Area, error) {
	v, ok := memory.(physmem.Viewer)
	if !ok {
		return nil, nil
	}
	view := v.ViewPhysical(block.Range(handoff.PartRecords))
	if view == nil {
		return nil, nil
	}
	area, err := record.Open(view)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	return area, nil
}
