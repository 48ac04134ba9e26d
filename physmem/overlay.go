package physmem

import (
	"errors"
	"sync"
)

const overlayPage = 4096

// Overlay is memory over a base that is only read: what is written is kept in
// the overlay, page by page, and everything else is the base's. Only what the
// base can read can be written.
//
// Its methods may be called from any goroutine. The base is called with the
// overlay's lock held and must not call back.
type Overlay struct {
	base Reader

	mu      sync.RWMutex
	pages   map[Address]*overlaid // by page number
	scratch [overlayPage]byte     // for writes, under mu
}

// overlaid is one page that was written to. Where the base has all of the page
// the page is a full copy; otherwise, at the ragged edge of memory, it holds
// only the bytes that were written, as marked.
type overlaid struct {
	data   [overlayPage]byte
	full   bool
	marked [overlayPage / 64]uint64
}

var (
	_ Memory = (*Overlay)(nil)
	_ Viewer = (*Overlay)(nil)
)

// NewOverlay makes memory that begins as a copy of base.
func NewOverlay(base Reader) *Overlay {
	return &Overlay{base: base, pages: make(map[Address]*overlaid)}
}

// Written is the set of pages that were written to, in whole pages of 4 KiB.
func (o *Overlay) Written() Ranges {
	o.mu.RLock()
	defer o.mu.RUnlock()
	list := make([]Range, 0, len(o.pages))
	for number := range o.pages {
		list = append(list, span(number*overlayPage, overlayPage))
	}
	return NewRanges(list...)
}

// ReadPhysical implements Reader.
func (o *Overlay) ReadPhysical(p []byte, address Address) (int, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	length := len(p)
	if room := -address; address != 0 && Address(length) > room {
		p = p[:room] // what is left before addresses wrap
	}
	for done := 0; done < len(p); {
		at := address + Address(done)
		n := min(len(p)-done, int(overlayPage-at%overlayPage))
		page := o.pages[at/overlayPage]
		if page != nil && page.full {
			done += copy(p[done:done+n], page.data[at%overlayPage:])
			continue
		}
		if page == nil { // one read of the base for all pages that are its own
			for done+n < len(p) && o.pages[(address+Address(done+n))/overlayPage] == nil {
				n = min(len(p)-done, n+overlayPage)
			}
		}
		n, err := o.readBase(p[done:done+n], at)
		if page != nil {
			page.lay(p[done:done+n], at%overlayPage)
		}
		done += n
		if err != nil {
			return done, accessFailure("read", address, done, length, err)
		}
	}
	if len(p) < length {
		return len(p), accessFailure("read", address, len(p), length, ErrOutside)
	}
	return length, nil
}

// readBase reads from the base. A short read always has an error: the cause
// without the base's range, which is only a part of what the caller asked for.
func (o *Overlay) readBase(p []byte, address Address) (int, error) {
	n, err := o.base.ReadPhysical(p, address)
	n = min(max(n, 0), len(p))
	if n == len(p) {
		return n, nil
	}
	var failure *AccessError
	if errors.As(err, &failure) {
		err = failure.Err
	}
	if err == nil {
		err = ErrOutside
	}
	return n, err
}

// lay puts the page's written bytes over p, the page's bytes from offset on.
func (g *overlaid) lay(p []byte, offset Address) {
	for i := range p {
		if at := offset + Address(i); g.marked[at/64]>>(at%64)&1 != 0 {
			p[i] = g.data[at]
		}
	}
}

// WritePhysical implements Writer.
func (o *Overlay) WritePhysical(p []byte, address Address) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for done := 0; done < len(p); {
		at := address + Address(done)
		n := min(len(p)-done, int(overlayPage-at%overlayPage))
		if at < address {
			return done, accessFailure("write", address, done, len(p), ErrOutside)
		}
		n, err := o.writePage(p[done:done+n], at)
		done += n
		if err != nil {
			return done, accessFailure("write", address, done, len(p), err)
		}
	}
	return len(p), nil
}

// writePage writes to one page, made if need be. A base that cannot read the
// bytes to be written has no memory there.
func (o *Overlay) writePage(p []byte, address Address) (int, error) {
	offset := address % overlayPage
	page := o.pages[address/overlayPage]
	if page == nil {
		page = new(overlaid)
		_, err := o.readBase(page.data[:], address-offset)
		page.full = err == nil
	}
	n := len(p)
	if !page.full {
		if n, _ = o.readBase(o.scratch[:n], address); n == 0 {
			return 0, ErrOutside
		}
		for i := range Address(n) {
			page.marked[(offset+i)/64] |= 1 << ((offset + i) % 64)
		}
	}
	o.pages[address/overlayPage] = page
	copy(page.data[offset:], p[:n])
	if n < len(p) {
		return n, ErrOutside
	}
	return n, nil
}

// ViewPhysical implements Viewer. It lends ranges inside of one 4 KiB page that
// was written to, and never the base's memory, whose view a later write would
// make stale.
func (o *Overlay) ViewPhysical(r Range) []byte {
	offset := r.Start % overlayPage
	if r.IsEmpty() || r.Size() > uint64(overlayPage-offset) {
		return nil
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	page := o.pages[r.Start/overlayPage]
	if page == nil || !page.full {
		return nil
	}
	end := offset + Address(r.Size())
	return page.data[offset:end:end]
}
