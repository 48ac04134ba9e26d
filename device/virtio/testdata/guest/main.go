// Command guest is what the tests of package virtio boot: a program on package
// kernel that finds a disk, writes a pattern to it, reads it back, and says how
// fast that was. Arguments: how to find the disk (pci, pci-legacy, ecam@ADDRESS or
// mmio@ADDRESS), the pattern's seed, and how many bytes.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/device/pci"
	"github.com/seed64aab995/rescuekernel/device/virtio"
	"github.com/seed64aab995/rescuekernel/kernel"
	"github.com/seed64aab995/rescuekernel/physmem"
)

func main() {
	err := errors.New("usage: guest WHERE SEED BYTES")
	if len(os.Args) == 4 {
		err = run(os.Args[1], os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Println("guest:", err)
		os.Exit(1)
	}
	fmt.Println("guest: done")
}

// allocate is memory for DMA.
func allocate(size uint64) (device.Region, error) {
	r, err := kernel.Allocate(size, 4096)
	if err != nil {
		return device.Region{}, err
	}
	memory, err := kernel.Memory()
	if err != nil {
		return device.Region{}, err
	}
	return device.Region{Memory: memory.ViewPhysical(r), Address: r.Start}, nil
}

// open finds the transport.
func open(where string, o virtio.Options) (virtio.Transport, error) {
	kind, place, _ := strings.Cut(where, "@")
	address := uint64(0)
	if place != "" {
		var err error
		if address, err = strconv.ParseUint(place, 0, 64); err != nil {
			return nil, err
		}
	}
	o.PreferLegacy = kind == "pci-legacy"
	b := bus()
	switch kind {
	case "mmio":
		return openMMIO(b, physmem.Address(address))
	case "ecam":
		space := pci.ECAM{Base: physmem.Address(address), LastBus: 15, Registers: b}
		f, err := pci.Find(space, 0, virtio.IsPCIBlock)
		if err != nil {
			return nil, err
		}
		if err := assign(f); err != nil {
			return nil, err
		}
		return virtio.OpenPCI(b, f, o)
	}
	ports, err := b.Ports(pci.PortAddress, pci.PortCount)
	if err != nil {
		return nil, err
	}
	f, err := pci.Find(pci.NewPorts(ports), pci.NewAddress(0, 0, 1, 0), virtio.IsPCIBlock)
	if err != nil {
		return nil, err
	}
	return virtio.OpenPCI(b, f, o)
}

// openMMIO tries QEMU's slots, which it fills from the last; its
// arm64 board has 32, and where there are fewer nothing answers.
func openMMIO(b device.Bus, base physmem.Address) (virtio.Transport, error) {
	for i := physmem.Address(32); i > 0; i-- {
		start := base + (i-1)*virtio.MMIOSize
		r, err := b.Memory(physmem.Range{Start: start, End: start + virtio.MMIOSize})
		if err != nil {
			return nil, err
		}
		t, err := virtio.NewMMIO(r)
		if !errors.Is(err, virtio.ErrNoDevice) {
			return t, err
		}
	}
	return nil, virtio.ErrNoDevice
}

// assign gives addresses to the BARs: no firmware has done so. QEMU's arm64 board
// has memory for PCI at 256 MiB (hw/arm/virt.c, VIRT_PCIE_MMIO).
func assign(f *pci.Function) error {
	for i := 0; i < pci.BARs; i++ {
		bar, err := f.BAR(i)
		if err != nil {
			return err
		}
		size, err := f.SizeBAR(i)
		if err != nil {
			return err
		}
		if size != 0 && !bar.IO {
			if err := f.SetBAR(i, 0x1000_0000+uint64(i)<<20); err != nil {
				return err
			}
		}
		if bar.Wide {
			i++
		}
	}
	return nil
}

func run(where, seed, length string) error {
	number, err := strconv.ParseUint(seed, 10, 8)
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(length)
	if err != nil {
		return err
	}
	var o virtio.Options
	o.Memory, err = allocate(o.MemorySize() + 1<<20)
	if err != nil {
		return err
	}
	begin := time.Now()
	t, err := open(where, o)
	if err != nil {
		return err
	}
	found := time.Since(begin)
	b, err := virtio.NewBlock(t, o)
	if err != nil {
		return err
	}
	fmt.Printf("guest: found in %v, started in %v: legacy %v, %d bytes\n", found, time.Since(begin)-found, t.Legacy(), b.Size())
	serial, err := b.Serial()
	if err != nil {
		return err
	}
	fmt.Printf("guest: serial %q\n", serial)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(number)}).Read(data)
	if err := use(b, data); err != nil {
		return err
	}
	return b.Close()
}

// use writes data in three ways, and reads it back.
func use(b *virtio.Block, data []byte) error {
	spare := b.Spare()
	buffer, err := spare.Carve(1<<20, 4096)
	if err != nil {
		return err
	}
	small := min(len(data), 256*512)
	p := b.Pipeline()
	for _, w := range []struct {
		name string
		size int
		do   func() error
	}{
		{"sectors one by one", small, func() error {
			for at := 0; at < small; at += 512 {
				if _, err := b.WriteAt(data[at:at+512], int64(at)); err != nil {
					return err
				}
			}
			return b.Flush()
		}},
		{"writes of 1 MiB", len(data), func() error {
			for at := 0; at < len(data); at += 1 << 20 {
				if _, err := b.WriteAt(data[at:min(at+1<<20, len(data))], int64(at)); err != nil {
					return err
				}
			}
			return b.Flush()
		}},
		{"writes of 1 MiB without a copy", len(data), func() error {
			for at := 0; at < len(data); at += 1 << 20 {
				part := buffer.Memory[:min(1<<20, len(data)-at)]
				copy(part, data[at:])
				if _, err := b.WriteAt(part, int64(at)); err != nil {
					return err
				}
			}
			return b.Flush()
		}},
		{"pipeline of 64 KiB", len(data), func() error {
			for at := 0; at < len(data); at += 64 << 10 {
				if _, err := p.WriteAt(data[at:min(at+64<<10, len(data))], int64(at)); err != nil {
					return err
				}
			}
			return p.Flush()
		}},
	} {
		notifications, begin := b.Notifications(), time.Now()
		if err := w.do(); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		took := time.Since(begin)
		fmt.Printf("guest: %s: %d bytes in %v, %.1f MB/s, %d notifications\n",
			w.name, w.size, took.Round(time.Microsecond), float64(w.size)/1e6/took.Seconds(), b.Notifications()-notifications)
	}
	got := make([]byte, len(data))
	begin := time.Now()
	if _, err := b.ReadAt(got, 0); err != nil {
		return err
	}
	took := time.Since(begin)
	fmt.Printf("guest: read: %d bytes in %v, %.1f MB/s\n", len(got), took.Round(time.Microsecond), float64(len(got))/1e6/took.Seconds())
	if !bytes.Equal(got, data) {
		return errors.New("what was read is not what was written")
	}
	return nil
}
