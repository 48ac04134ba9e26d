package fdt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// PageSize is what reservations are multiples of.
const PageSize = 4096

// RestrictOption says what a restricted tree has beside the reservation.
type RestrictOption func(*restriction)

// WithBootargs sets the command line. Without it there is none: the host's is
// not handed on.
func WithBootargs(bootargs string) RestrictOption {
	return func(r *restriction) { r.bootargs = &bootargs }
}

// WithUsableMemory sets linux,usable-memory-range to ranges, which must lie in
// the reservation. Linux on arm64 takes up to two.
func WithUsableMemory(ranges ...physmem.Range) RestrictOption {
	return func(r *restriction) { r.usable = slices.Clone(ranges) }
}

// WithInitrd tells where the initial RAM disk lies: in the reservation.
func WithInitrd(initrd physmem.Range) RestrictOption {
	return func(r *restriction) { r.initrd = initrd }
}

// WithELFCoreHeader tells where the ELF header for /proc/vmcore lies: in the
// reservation.
func WithELFCoreHeader(header physmem.Range) RestrictOption {
	return func(r *restriction) { r.elfCoreHeader = header }
}

// WithReserved adds memory to what is reserved, as the tables of a GICv3's ITS
// that stay in use. What /reserved-memory holds of it already is not added
// again.
func WithReserved(name string, memory physmem.Range, noMap bool) RestrictOption {
	return func(r *restriction) { r.reserve = append(r.reserve, namedRange{name, memory, noMap}) }
}

// WithRelease removes the entries that reserve exactly the range memory, in
// /reserved-memory and in the memory reservation block: by them a host was
// kept out of the reservation.
func WithRelease(memory physmem.Range) RestrictOption {
	return func(r *restriction) { r.release = append(r.release, memory) }
}

type namedRange struct {
	name  string
	r     physmem.Range
	noMap bool
}

// restriction is a restricted tree on its way.
type restriction struct {
	tree          *Tree
	reservation   physmem.Range
	bootargs      *string
	usable        []physmem.Range
	initrd        physmem.Range
	elfCoreHeader physmem.Range
	reserve       []namedRange
	release       []physmem.Range
}

// Restrict is the tree for a program that shall use reservation alone:
//
//   - every memory node keeps what the reservation has of it, with its unit
//     address to match, and without linux,usable-memory; a node of which
//     nothing is left is removed. Nodes that are not available stay.
//   - /reserved-memory and the memory reservation block stay as they are, but
//     for what WithReserved adds and WithRelease removes;
//   - of /chosen that is removed which is about the host's memory (initrd,
//     ELF header, usable ranges, the EFI memory map, kexec's buffers), its
//     command line and its seeds. The options set new values.
//
// All else stays, in its order and to the byte. All of the reservation must be
// RAM that nothing reserves. The tree that Restrict is called on is not
// changed.
func (t *Tree) Restrict(reservation physmem.Range, options ...RestrictOption) (*Tree, error) {
	r := &restriction{tree: t.Clone(), reservation: reservation}
	for _, option := range options {
		option(r)
	}
	for _, step := range []func() error{r.check, r.removeReleased, r.restrictMemory, r.chosen, r.addReserved} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("restrict device tree to %v: %w", reservation, err)
		}
	}
	return r.tree, nil
}

func (r *restriction) check() error {
	if !r.reservation.Start.IsAligned(PageSize) || !r.reservation.End.IsAligned(PageSize) {
		return fmt.Errorf("%w: not in whole pages", ErrRange)
	}
	for _, part := range append([]physmem.Range{r.initrd, r.elfCoreHeader}, r.usable...) {
		if !r.reservation.ContainsRange(part) {
			return fmt.Errorf("%w: %v of /chosen is not in it", ErrRange, part)
		}
	}
	return nil
}

func (r *restriction) removeReleased() error {
	reserved, err := r.tree.ReservedMemory()
	if err != nil {
		return err
	}
	for _, entry := range reserved {
		if entry.Node != nil && len(entry.Ranges) == 1 && slices.Contains(r.release, entry.Ranges[0]) {
			entry.Node.Detach()
		}
	}
	r.tree.ReserveEntries = slices.DeleteFunc(r.tree.ReserveEntries, func(e ReserveEntry) bool {
		memory, ok := physmem.NewRange(physmem.Address(e.Address), e.Size)
		return ok && slices.Contains(r.release, memory)
	})
	return nil
}

// restrictMemory leaves the reservation to the memory nodes.
func (r *restriction) restrictMemory() error {
	memory, err := r.tree.MemoryMap()
	if err != nil {
		return err
	}
	if r.reservation.IsEmpty() || !memory.RAM().ContainsRange(r.reservation) {
		return ErrNotRAM
	}
	nodes, err := r.tree.Memory()
	if err != nil {
		return err
	}
	// Nodes go first, so that their names are free for those that stay.
	left := physmem.NewRanges(r.reservation)
	parts := make([]physmem.Ranges, len(nodes))
	for i, m := range nodes {
		banks := physmem.NewRanges(m.Banks...)
		parts[i] = banks.Intersect(left)
		left = left.Minus(banks)
		if parts[i].IsEmpty() {
			m.Node.Detach()
		}
	}
	for i, m := range nodes {
		if parts[i].IsEmpty() {
			continue
		}
		m.Node.Delete("linux,usable-memory")
		if err := m.Node.SetReg(parts[i]...); err != nil {
			return err
		}
		if err := m.Node.renameTo(parts[i][0].Start); err != nil {
			return err
		}
	}
	return nil
}

// renameTo gives the node's name, if it has a unit address, that of its first
// register.
func (n *Node) renameTo(start physmem.Address) error {
	if !strings.Contains(n.name, "@") {
		return nil
	}
	return n.Rename(unitName(n.BaseName(), start))
}

func unitName(base string, start physmem.Address) string {
	return fmt.Sprintf("%s@%x", base, uint64(start))
}
