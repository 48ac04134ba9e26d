package main

import (
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/container"
)

// defaultSpoolLimit is how much of standard input, or of a file that has to be
// unpacked as a whole, is kept unless the user says otherwise.
const defaultSpoolLimit = 64 << 30

// openStandardInput makes standard input readable at offsets: where it is a
// regular file as it is, else by a copy in memory and, beyond
// container.DefaultSpoolMemory, in a temporary file, which Close removes.
func (p *program) openStandardInput(d *dump) error {
	if file, ok := p.in.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			d.file, d.size = file, info.Size()
			return nil
		}
	}
	spool := container.NewSpool(p.ctx, p.in, nil, container.SpoolOptions{Limit: p.spoolLimit})
	d.close = append(d.close, spool.Close)
	size, err := spool.ReadAll()
	if err != nil {
		return fmt.Errorf("%s after %d bytes: %w", d.name, size, err)
	}
	d.file, d.size = spool, size
	return nil
}
