package rescue

import (
	"fmt"
	"slices"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record/ramoops"
)

// Ramoops is memory in which the record of a panic is kept for Linux, too: what
// its driver ramoops is told by mem_address and mem_size, or by the device tree's
// node of that name. See package record/ramoops.
type Ramoops struct {
	// Region is whole pages of RAM that nothing else uses, from the boot on: a
	// host that wants to find it again after a reset leaves it alone before it arms,
	// too. Arm takes it out of use. It is in no dump: the panic writes to it.
	Region physmem.Range
	// Geometry is how it is divided; zero is ramoops.DefaultGeometry, that of the
	// driver's parameters.
	Geometry ramoops.Geometry
}

// maximumRamoops bounds a region.
const maximumRamoops = 64 << 20

// ramoopsZones divides the region.
func (a *arming) ramoopsZones() ([]ramoops.Zone, error) {
	r := a.Ramoops.Region
	if r.IsEmpty() {
		return nil, nil
	}
	if r.AlignInward(handoff.PageSize) != r || r.Size() > maximumRamoops {
		return nil, fmt.Errorf("ramoops at %v: want whole pages, at most %d bytes: %w", r, maximumRamoops, ErrConfig)
	}
	geometry := a.Ramoops.Geometry
	if geometry == (ramoops.Geometry{}) {
		geometry = ramoops.DefaultGeometry()
	}
	zones, err := geometry.Zones(int(r.Size()))
	if err != nil {
		return nil, fmt.Errorf("ramoops at %v: %w: %w", r, ErrConfig, err)
	}
	if !slices.ContainsFunc(zones, func(z ramoops.Zone) bool { return z.Kind == ramoops.Dump }) {
		return nil, fmt.Errorf("ramoops at %v: %+v has no zone for dumps: %w", r, geometry, ErrConfig)
	}
	return zones, nil
}

// openRamoops reserves the region and chooses the zone that a panic is written to:
// an empty one if there is one, so that what another boot left stays.
func (a *arming) openRamoops() error {
	r := a.Ramoops.Region
	zones, err := a.ramoopsZones()
	if err != nil || zones == nil {
		return err
	}
	if a.held != r { // by the arming that this one follows
		if err := a.Platform.Reserve(r); err != nil {
			return fmt.Errorf("ramoops at %v: %w", r, err)
		}
		a.undo = append(a.undo, func() error { return a.Platform.Release(r) })
	}
	content := make([]byte, r.Size())
	if _, err := a.memory.ReadPhysical(content, r.Start); err != nil {
		return fmt.Errorf("ramoops at %v: %w", r, err)
	}
	zone, _ := ramoops.Choose(content, zones)
	start, err := a.Platform.VirtualAddress(r)
	if err != nil {
		return fmt.Errorf("ramoops at %v: %w", r, err)
	}
	a.zone, a.zoneSize = start+uintptr(zone.Offset), uintptr(zone.Size)
	return nil
}

// ramoopsNotifier writes the record there.
func (a *arming) ramoopsNotifier() []Notifier {
	if a.zone == 0 {
		return nil
	}
	return []Notifier{{Name: "ramoops", List: handoff.ListHypervisor, Run: putRamoops, LoopFree: true}}
}

// putRamoops writes the record of this panic into the zone that was chosen.
//
//go:nosplit
func putRamoops(n *handoff.Notice) {
	start, size := records(n.PanicArea)
	zone := uintptr(load64(order(n.PanicArea, handoff.OrderOffsetRamoops)))
	zoneSize := uintptr(load64(order(n.PanicArea, handoff.OrderOffsetRamoopsSize)))
	ramoops.PutPanic(zone, zoneSize, start, size)
	clean(n.PanicArea, zone, zoneSize)
}
