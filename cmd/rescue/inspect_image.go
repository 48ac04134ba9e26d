package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/reserve"
	"github.com/seed64aab995/rescuekernel/symbols"
)

// imageFact is an image as rescue build makes it.
type imageFact struct {
	Architecture string        `json:"arch"`
	Entry        hexadecimal   `json:"entry"`
	EntrySymbol  string        `json:"entry_symbol"`
	GoBuildID    string        `json:"go_build_id"`
	BuildID      string        `json:"build_id"`
	Stripped     bool          `json:"stripped"`
	Segments     []segmentFact `json:"segments"`
	Loaded       uint64        `json:"loaded_bytes"` // pages that the file fills
	Memory       uint64        `json:"memory_bytes"` // with the zero pages behind them
	HostMemory   uint64        `json:"host_memory_bytes"`
	Least        uint64        `json:"least_reservation_bytes"` // 0: not known
	Parts        []costFact    `json:"reservation_parts"`
	Limit        uint64        `json:"memory_limit_bytes"`
}

type segmentFact struct {
	Start  hexadecimal `json:"start"`
	End    hexadecimal `json:"end"`
	File   uint64      `json:"file_bytes"`
	Memory uint64      `json:"memory_bytes"`
	Access string      `json:"access"`
}

type costFact struct {
	Name string `json:"name"`
	Size uint64 `json:"size"`
}

// gatherImage asks an image, and plans a reservation for it to see what it
// would take.
func gatherImage(image *reserve.Image, data []byte, hostMemory uint64) (*imageFact, error) {
	layout := image.Layout()
	f := &imageFact{
		Architecture: image.Architecture.String(), Entry: hexadecimal(image.Entry), Stripped: true,
		Loaded: layout.FileEnd - layout.LinkBase, Memory: layout.MemoryEnd - layout.LinkBase, HostMemory: hostMemory, Parts: []costFact{},
	}
	for _, s := range image.Segments {
		access := []byte("r--")
		if s.Writable {
			access[1] = 'w'
		}
		if s.Executable {
			access[2] = 'x'
		}
		f.Segments = append(f.Segments, segmentFact{hexadecimal(s.Start), hexadecimal(s.MemoryEnd), s.FileEnd - s.Start, s.MemoryEnd - s.Start, string(access)})
	}
	if table, _ := symbols.Open(bytes.NewReader(data)); table != nil {
		f.GoBuildID, f.BuildID = table.GoBuildID(), fmt.Sprintf("%x", table.BuildID())
		f.EntrySymbol = table.Format(image.Entry)
	}
	if file, err := elf.NewFile(bytes.NewReader(data)); err == nil {
		f.Stripped = file.SectionByType(elf.SHT_SYMTAB) == nil
	}
	report, err := plan(image, hostMemory)
	if errors.Is(err, errors.ErrUnsupported) { // no reservations on this architecture yet
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	f.Least, f.Limit = report.Least, report.MemoryLimit
	for _, c := range report.Parts {
		f.Parts = append(f.Parts, costFact{c.Part.String(), c.Size})
	}
	return f, nil
}

// plan plans the least reservation for an image in a host with so much RAM.
func plan(image *reserve.Image, hostMemory uint64) (reserve.Report, error) {
	ram, ok := physmem.NewRange(0, hostMemory&^(handoff.PageSize-1))
	if !ok || ram.IsEmpty() {
		return reserve.Report{}, usagef("--host-memory %d: not a host's memory", hostMemory)
	}
	extent := func(size uint64) handoff.Region {
		r := physmem.Range{End: ram.Start + physmem.Address(size)}
		return handoff.Region{Length: size, Extents: []physmem.Range{r.AlignOutward(handoff.PageSize)}}
	}
	request := reserve.Request{Image: image, Memory: physmem.Ranges{ram}, Bitmap: extent((ram.Size()/handoff.PageSize + 7) / 8)}
	least := reserve.LeastSize(ram.Size())
	for range 2 {
		// Above the host's RAM, so that it takes nothing of it away.
		request.Reservation, ok = physmem.NewRange(ram.End.AlignUp(reserve.DefaultAlignment), least)
		if !ok {
			break
		}
		p, err := reserve.New(physmem.NewBytes(0, nil), request)
		var small *reserve.TooSmallError
		switch {
		case err == nil:
			return p.Report(), nil
		case !errors.As(err, &small):
			return reserve.Report{}, err
		}
		least = (small.Report.Least + handoff.PageSize - 1) &^ (handoff.PageSize - 1)
	}
	return reserve.Report{}, usagef("--host-memory %d: no reservation can be planned", hostMemory)
}
