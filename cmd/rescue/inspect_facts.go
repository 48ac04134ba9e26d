package main

import (
	"bytes"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// inspection is all that inspect tells. The JSON keys are stable.
type inspection struct {
	File         string            `json:"file"`
	Kind         string            `json:"kind"`
	Size         int64             `json:"size"`
	Image        *imageFact        `json:"image"`
	Reservations []reservationFact `json:"reservations"`
	Omitted      int               `json:"reservations_omitted"`
}

// broken reports whether any seal is broken.
func (f *inspection) broken() bool {
	for i := range f.Reservations {
		if len(f.Reservations[i].Broken) > 0 {
			return true
		}
	}
	return false
}

type rangeFact struct {
	Start hexadecimal `json:"start"`
	End   hexadecimal `json:"end"`
}

func newRange(r physmem.Range) rangeFact {
	return rangeFact{hexadecimal(r.Start), hexadecimal(r.End)}
}

func newRanges(list []physmem.Range) []rangeFact {
	facts := []rangeFact{}
	for _, r := range list {
		facts = append(facts, newRange(r))
	}
	return facts
}

// reservationFact is a hand-off block and the reservation around it; of a host
// image, what it was loaded as.
type reservationFact struct {
	Range        rangeFact         `json:"range"`
	FileOffset   int64             `json:"file_offset"` // -1: not at one offset
	Role         string            `json:"role"`
	Architecture string            `json:"arch"`
	Version      string            `json:"abi_version"`
	Complete     bool              `json:"complete"`
	Problems     []string          `json:"problems"`
	Parts        []partFact        `json:"parts"`
	Seals        []sealFact        `json:"seals"`
	Broken       []string          `json:"broken"` // names of the parts that cannot be relied on
	Image        layoutFact        `json:"image"`
	FreezePoint  hexadecimal       `json:"freeze_point"`
	Root4        hexadecimal       `json:"root4"`
	Root5        hexadecimal       `json:"root5"`
	PagingLevels uint32            `json:"paging_levels"`
	Limits       limitsFact        `json:"limits"`
	Host         *hostFact         `json:"host"` // null: role host
	Memory       []rangeFact       `json:"memory"`
	MemorySize   uint64            `json:"memory_bytes"`
	Redactions   []rangeFact       `json:"redactions"`
	Targets      []targetFact      `json:"targets"`
	Interrupts   []interruptFact   `json:"interrupt_tables"`
	PCI          []pciFact         `json:"pci"`      // memory-mapped configuration spaces
	Firmware     []firmwareFact    `json:"firmware"` // tables for the rescue program
	Environment  map[string]string `json:"environment"`
	Panic        *panicFact        `json:"panic"` // null: not there
	Boot         *bootFact         `json:"boot"`  // null: role rescue
}

// interruptFact is memory that an interrupt controller of the host uses.
type interruptFact struct {
	Kind       string      `json:"kind"`
	Controller hexadecimal `json:"controller"`
	Register   hexadecimal `json:"register"`
	Memory     rangeFact   `json:"memory"`
}

func newInterrupts(tables []handoff.InterruptTable) []interruptFact {
	facts := []interruptFact{}
	for _, t := range tables {
		facts = append(facts, interruptFact{t.Kind.String(), hexadecimal(t.Controller), hexadecimal(t.Register), newRange(t.Memory)})
	}
	return facts
}

type partFact struct {
	Name   string      `json:"name"`
	Offset hexadecimal `json:"offset"`
	Start  hexadecimal `json:"start"`
	Size   uint64      `json:"size"`
	Used   uint64      `json:"used"`
	Access string      `json:"access"`
	Seal   string      `json:"seal"`
}

// Verdicts on seals.
const (
	sealNone    = "none"        // nobody relies on it
	sealHolds   = "holds"       //
	sealBroken  = "broken"      //
	sealChanged = "changed"     // of the first stage, after the hand-off
	sealUnknown = "not_checked" // the file does not have the bytes
)

type sealFact struct {
	Stage   int    `json:"stage"` // 1: checked before the jump; 2: by the rescue program
	Part    string `json:"part"`
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Got     string `json:"got,omitempty"`
	Want    string `json:"want"`
}

type layoutFact struct {
	Entry     hexadecimal `json:"entry"`
	LinkBase  hexadecimal `json:"link_base"`
	FileEnd   hexadecimal `json:"file_end"`
	MemoryEnd hexadecimal `json:"memory_end"`
	GoBuildID string      `json:"go_build_id"`
}

func newLayout(i handoff.Image) layoutFact {
	return layoutFact{Entry: hexadecimal(i.Entry), LinkBase: hexadecimal(i.LinkBase), FileEnd: hexadecimal(i.FileEnd), MemoryEnd: hexadecimal(i.MemoryEnd)}
}

// setBuild takes the build id from the image as it was loaded. It begins with
// the ELF header, whose section headers may not have been loaded.
func (l *layoutFact) setBuild(loaded []byte) {
	if len(loaded) < 64 {
		return
	}
	loaded = bytes.Clone(loaded)
	clear(loaded[40:48]) // e_shoff
	clear(loaded[58:64]) // e_shentsize, e_shnum, e_shstrndx
	if table, _ := symbols.Open(bytes.NewReader(loaded)); table != nil {
		l.GoBuildID = table.GoBuildID()
	}
}

type limitsFact struct {
	Memory     uint64 `json:"memory_bytes"`
	GCPercent  uint32 `json:"gc_percent"`
	ZstdWindow uint32 `json:"zstd_window_bytes"`
}

type hostFact struct {
	Name          string      `json:"name"`
	Version       string      `json:"version"`
	BuildID       string      `json:"build_id"`
	PageSize      uint32      `json:"page_size"`
	CPUs          uint32      `json:"cpus"`
	KernelBase    hexadecimal `json:"kernel_base"`
	KernelEnd     hexadecimal `json:"kernel_end"`
	DirectMap     hexadecimal `json:"dmap_base"`
	DirectMapEnd  hexadecimal `json:"dmap_end"`
	Bitmap        regionFact  `json:"bitmap"`
	DumpAvail     regionFact  `json:"dump_avail"`
	MessageBuffer regionFact  `json:"message_buffer"`
}

type regionFact struct {
	Length  uint64      `json:"length"`
	Extents []rangeFact `json:"extents"`
}

func newRegion(r handoff.Region) regionFact { return regionFact{r.Length, newRanges(r.Extents)} }

type targetFact struct {
	Kind    string      `json:"kind"`
	Bus     string      `json:"bus"`
	Address hexadecimal `json:"address"`
	Start   uint64      `json:"start"`
	Length  uint64      `json:"length"`
	Label   string      `json:"label"`
}

func newTarget(t handoff.Target) targetFact {
	kinds := map[handoff.TargetKind]string{handoff.TargetBlock: "block", handoff.TargetSerial: "serial", handoff.TargetRecord: "record"}
	buses := map[handoff.Bus]string{handoff.BusNone: "none", handoff.BusPCI: "pci", handoff.BusMMIO: "mmio", handoff.BusPort: "port"}
	name := func(name string, ok bool, number uint32) string {
		if ok {
			return name
		}
		return fmt.Sprint(number)
	}
	kind, knownKind := kinds[t.Kind]
	bus, knownBus := buses[t.Bus]
	return targetFact{
		Kind: name(kind, knownKind, uint32(t.Kind)), Bus: name(bus, knownBus, uint32(t.Bus)),
		Address: hexadecimal(t.Address), Start: t.Start, Length: t.Length, Label: fmt.Sprintf("%x", t.Label),
	}
}

type bootFact struct {
	Protocol string      `json:"protocol"`
	Pointer  hexadecimal `json:"pointer"`
}

type panicFact struct {
	State         string         `json:"state"`
	Reason        string         `json:"reason"`
	Message       string         `json:"message"`
	CPU           uint32         `json:"cpu"`
	ExitCode      uint64         `json:"exit_code"`
	Vector        uint64         `json:"vector"`
	ErrorCode     hexadecimal    `json:"error_code"`
	FaultAddress  hexadecimal    `json:"fault_address"`
	PC            hexadecimal    `json:"pc"`
	Root          hexadecimal    `json:"root"`
	MessageBuffer uint64         `json:"message_buffer_bytes"`
	BrokenSeals   []string       `json:"broken_seals"` // found by the host before the jump
	Nested        uint32         `json:"nested"`
	NotStopped    uint32         `json:"not_stopped"`
	Row           uint32         `json:"panics_in_a_row"`
	Notifiers     []notifierFact `json:"notifiers"`
	Phases        []phaseFact    `json:"phases"`
	Tombstone     *tombstoneFact `json:"tombstone"`
	Registers     []cpuFact      `json:"registers"`

	state handoff.State
}

type phaseFact struct {
	Name    string `json:"name"`
	Counter uint64 `json:"counter"`
	Nanos   *int64 `json:"ns"` // since the first; null: the counter's frequency is not known

	host bool // on the panic path
}

type notifierFact struct {
	Name    string      `json:"name"`
	List    string      `json:"list"`
	Outcome string      `json:"outcome"`
	PC      hexadecimal `json:"pc"` // where it was cut off
	Vector  uint32      `json:"vector"`
	Nanos   *int64      `json:"ns"`

	outcome handoff.Outcome
}

type tombstoneFact struct {
	Reason       string      `json:"reason"`
	CPU          uint32      `json:"cpu"`
	PC           hexadecimal `json:"pc"`
	Stack        hexadecimal `json:"stack"`
	Vector       uint64      `json:"vector"`
	ErrorCode    hexadecimal `json:"error_code"`
	FaultAddress hexadecimal `json:"fault_address"`
}

type cpuFact struct {
	CPU       uint32                 `json:"cpu"`
	Registers map[string]hexadecimal `json:"registers"`
	Error     string                 `json:"error,omitempty"`

	list []register
}

type register struct {
	name  string
	value uint64
}
