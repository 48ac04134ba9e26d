package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed64aab995/rescuekernel/container/target"
)

func newPrepare(p *program) *cobra.Command {
	var asJSON bool
	var o target.PrepareOptions
	c := &cobra.Command{
		Use:   "prepare [--force] [--json] DEVICE[:START+LENGTH]",
		Short: "Make a disk, or a part of one, a place for crash dumps",
		Long: `Prepare writes a dump-target label to DEVICE, a disk, a partition or an image of
one, or to an extent of it. A host that arms reads the label, and the rescue
program writes only where it finds this label again.

START and LENGTH are bytes, with units (64K, 1G) or in hexadecimal (0x10000). The
first 64 KiB of the extent are left alone.

A device or extent that holds something, a partition table, a file system, a
volume, another label, a dump that was not saved, is refused: --force writes all
the same.`,
		Example: `  dumper prepare /dev/vdb
  dumper prepare /dev/sda:512G+8G
  truncate -s 1G disk.img; dumper prepare disk.img`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			label, err := p.prepare(args[0], o)
			var inUse *target.InUseError
			if errors.As(err, &inUse) {
				return fmt.Errorf("%s: there is %s at %#x; --force writes over it: %w", args[0], printable(inUse.Content), inUse.Start, target.ErrInUse)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return p.showLabel(args[0], label, asJSON)
		},
	}
	c.Flags().BoolVar(&o.Force, "force", false, "write whatever is there")
	c.Flags().IntVar(&o.SectorSize, "sector-size", 0, "of the device, in `bytes` (default: as it says, or 512)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// prepare opens the device and labels it.
func (p *program) prepare(name string, o target.PrepareOptions) (*target.Label, error) {
	extent, err := parseExtent(name)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(extent.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	label, err := prepareFile(file, extent, o)
	if err == nil {
		err = file.Sync()
	}
	return label, errors.Join(err, file.Close())
}

func prepareFile(file *os.File, extent extentName, o target.PrepareOptions) (*target.Label, error) {
	var err error
	if o.Size, err = fileSize(file); err != nil {
		return nil, err
	}
	if o.SectorSize == 0 {
		o.SectorSize = sectorSize(file)
	}
	o.Start, o.Length, o.Time = extent.start, extent.length, time.Now()
	if _, err := rand.Read(o.ID[:]); err != nil {
		return nil, fmt.Errorf("random identity: %w", err)
	}
	return target.Prepare(file, o)
}

// labelFact is what prepare tells. The JSON keys are stable.
type labelFact struct {
	Device     string `json:"device"`
	ID         string `json:"id"`
	Start      int64  `json:"start"`
	Length     int64  `json:"length"`
	DeviceSize int64  `json:"device_size"`
	SectorSize int    `json:"sector_size"`
	Capacity   int64  `json:"capacity"`
	Prepared   string `json:"prepared"`
}

func (p *program) showLabel(name string, l *target.Label, asJSON bool) error {
	if asJSON {
		return p.json(labelFact{Device: name, ID: l.ID.String(), Start: l.Start, Length: l.Length, DeviceSize: l.DeviceSize,
			SectorSize: l.SectorSize, Capacity: l.Capacity(), Prepared: l.Prepared.Format(time.RFC3339Nano)})
	}
	p.printf("%s: label %v, room for %s of dump\n", name, l.ID, size(l.Capacity()))
	return nil
}
