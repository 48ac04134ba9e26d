package pci

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/physmem"
)

// narrow is what BARs of 32 bits can name.
const narrow = physmem.Address(1 << 32)

// Assign gives addresses to the memory BARs of functions that have none, as those of
// a board without firmware. windows is memory that the host bridge forwards to the bus
// of the functions, where it has the same addresses; functions are all that there are
// on that bus, so that what is in use is not given away. A BAR that has an address
// keeps it. I/O BARs are left alone, and so are functions behind bridges.
func Assign(functions []*Function, windows physmem.Ranges) error {
	var missing []*Function
	for _, f := range functions {
		lacks, err := f.lacksAddress()
		if err != nil {
			return err
		}
		if lacks {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	free := windows
	for _, f := range functions {
		used, err := f.memory()
		if err != nil {
			return err
		}
		free = free.Minus(used)
	}
	for _, f := range missing {
		var err error
		if free, err = f.assign(free); err != nil {
			return err
		}
	}
	return nil
}

// eachBAR calls visit for each memory BAR that is there.
func (f *Function) eachBAR(visit func(i int, b BAR) error) error {
	for i := 0; i < f.bars(); i++ {
		b, err := f.BAR(i)
		if err != nil {
			return err
		}
		if !b.IO {
			if err := visit(i, b); err != nil {
				return err
			}
		}
		if b.Wide {
			i++
		}
	}
	return nil
}

// lacksAddress reports whether a memory BAR is there and has no address.
func (f *Function) lacksAddress() (lacks bool, err error) {
	err = f.eachBAR(func(i int, b BAR) error {
		if b.Address != 0 || lacks {
			return nil
		}
		size, err := f.SizeBAR(i)
		lacks = size != 0
		return err
	})
	return lacks, err
}

// memory is what the memory BARs name.
func (f *Function) memory() (used physmem.Ranges, err error) {
	err = f.eachBAR(func(i int, b BAR) error {
		if b.Address == 0 {
			return nil
		}
		size, err := f.SizeBAR(i)
		if err != nil {
			return err
		}
		if r, ok := physmem.NewRange(physmem.Address(b.Address), size); ok {
			used = used.Union(physmem.NewRanges(r))
		}
		return nil
	})
	return used, err
}

// assign gives the function's BARs addresses out of free, and returns what is left.
func (f *Function) assign(free physmem.Ranges) (physmem.Ranges, error) {
	err := f.eachBAR(func(i int, b BAR) error {
		if b.Address != 0 {
			return nil
		}
		size, err := f.SizeBAR(i)
		if err != nil || size == 0 {
			return err
		}
		options := []physmem.SpaceOption{physmem.WithAlignment(size)}
		if !b.Wide {
			options = append(options, physmem.WithLimit(physmem.Range{Start: 1, End: narrow}))
		}
		at, err := free.FindSpace(size, options...)
		if err != nil {
			return fmt.Errorf("PCI %v BAR %d: %w", f.Address, i, err)
		}
		free = free.Minus(physmem.NewRanges(at))
		return f.SetBAR(i, uint64(at.Start))
	})
	return free, err
}
