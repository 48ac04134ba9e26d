package container

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/seed64aab995/rescuekernel/container/ekcd"
	"github.com/seed64aab995/rescuekernel/container/kerneldump"
)

// findDump looks for a kernel dump's headers, and takes that layer off. A
// whole dump at the end of the file counts whatever is at its start; a cut or
// damaged one only where the start says nothing.
func (p *opener) findDump(start Format) (found bool, err error) {
	if p.size == unknownSize { // a lazily decompressed file has no end to look at
		return false, nil
	}
	o := kerneldump.FindOptions{SectorSize: p.o.sectorSize, ScanLimit: p.o.scanLimit, NoSalvage: start != FormatUnknown || p.keyBlockPending()}
	d, err := kerneldump.Find(p.current, p.size, o)
	if errors.Is(err, kerneldump.ErrNoDump) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if d.Problem != nil && start != FormatUnknown {
		return false, nil
	}
	return true, p.openDump(d)
}

// keyBlockPending says that the file itself is encrypted: it has no headers.
func (p *opener) keyBlockPending() bool { return p.o.keyBlock != nil && !p.keyUsed }

// openDump takes off the device's layer, and encryption under it.
func (p *opener) openDump(d *kerneldump.Dump) error {
	p.dump = d
	if d.Header.Kind == kerneldump.KindText {
		return formatError(FormatTextDump, fmt.Sprintf("on a dump device, %d bytes", d.Size()))
	}
	if d.Problem != nil {
		p.problem(fmt.Errorf("kernel dump of %s: %w", d.Header.HostName, d.Problem))
	}
	data, size := d.Data(p.current), d.Size()
	if errors.Is(d.Problem, kerneldump.ErrNoTrailingHeader) {
		if d.Header.Length == 0 {
			p.padded = true
		}
		if d.Header.Compression == kerneldump.CompressionZstd {
			// The frames say themselves where they end, and whose they are.
			identity := d.Header.Identity()
			p.stream = &identity
			p.padded, size = true, d.Layout.Extent
			whole := *d
			whole.Header.Length = 0
			data = whole.Data(p.current)
		}
	}
	keyBlock, err := d.KeyBlock(p.current)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("of %s, version %d, compression %v", d.Header.HostName, d.Header.Version, d.Header.Compression)
	if d.Live {
		detail += ", live"
	}
	p.push(FormatDevice, detail, data, size)
	if keyBlock != nil {
		return p.decrypt(keyBlock)
	}
	if p.padded && d.Header.Compression == kerneldump.CompressionNone {
		p.problem(ErrUnknownEnd)
	}
	return p.checkDumpStart()
}

// checkDumpStart finds a dump of which not even the first sector is there: its
// writer has put zeros in its place.
func (p *opener) checkDumpStart() error {
	if p.dump.Problem == nil {
		return nil
	}
	start := make([]byte, min(kerneldump.HeaderSize, p.size))
	n, _ := p.current.ReadAt(start, 0)
	if len(bytes.TrimRight(start[:n], "\x00")) == 0 {
		return fmt.Errorf("kernel dump of %s: %w", p.dump.Header.HostName, ErrNoData)
	}
	return nil
}

// decrypt takes off encryption.
func (p *opener) decrypt(keyBlock []byte) error {
	p.keyUsed = true
	block, err := ekcd.ParseKeyBlock(keyBlock)
	if err != nil {
		return err
	}
	if p.o.private == nil {
		return fmt.Errorf("%w (%v, RSA of %d bits)", ErrKeyNeeded, block.Cipher, len(block.EncryptedKey)*8)
	}
	key, err := block.Decrypt(p.o.private)
	if err != nil {
		return err
	}
	r, err := ekcd.NewReader(p.current, p.size, block, key)
	if err != nil {
		return err
	}
	p.push(FormatEncrypted, block.Cipher.String(), r, p.size)
	return nil
}
