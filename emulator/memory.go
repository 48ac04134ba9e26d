package emulator

import (
	"github.com/seed64aab995/rescuekernel/physmem"
)

const (
	// PageSize is the granularity in which CPUs hold on to memory.
	PageSize = 4096

	chunkPages = 16
	chunkSize  = chunkPages * PageSize
)

// Page is a page of RAM.
type Page [PageSize]byte

// Observer is told when what it may have cached of memory is no longer true.
type Observer interface {
	// CodeChanged says that a page marked by MarkCode is about to change.
	CodeChanged(page physmem.Address)

	// PagesMoved says that Pages and what may be done to them may be others.
	PagesMoved()
}

// chunk is memory that was touched, in one piece.
type chunk struct {
	pages [chunkPages]Page
	code  [chunkPages]bool
}

// bank is a range of RAM. Its chunks are made when they are first written.
type bank struct {
	physmem.Range
	first  physmem.Address // where chunk 0 begins
	chunks []*chunk
}

// zeroPage is what pages that nobody wrote look like.
var zeroPage Page

// Memory is RAM in ranges. What was never written takes no memory. It
// implements physmem.Memory; who writes through that is DMA to watch points.
type Memory struct {
	ranges    physmem.Ranges
	banks     []bank
	last      int // bank of the last access
	observers []Observer
	watches   []*Watch
	stale     []staleLine
}

// NewMemory makes memory of zeros in ranges, which are whole pages in normal
// form.
func NewMemory(ranges physmem.Ranges) *Memory {
	m := &Memory{ranges: ranges}
	for _, r := range ranges {
		first := r.Start.AlignDown(chunkSize)
		n := (uint64(r.End-first) + chunkSize - 1) / chunkSize
		m.banks = append(m.banks, bank{r, first, make([]*chunk, n)})
	}
	return m
}

// Ranges is where there is RAM.
func (m *Memory) Ranges() physmem.Ranges { return m.ranges }

// Observe adds one who is told of changes.
func (m *Memory) Observe(o Observer) { m.observers = append(m.observers, o) }

func (m *Memory) bank(a physmem.Address) *bank {
	if m.last < len(m.banks) && m.banks[m.last].Contains(a) {
		return &m.banks[m.last]
	}
	for i := range m.banks {
		if m.banks[i].Contains(a) {
			m.last = i
			return &m.banks[i]
		}
	}
	return nil
}

// HasPage reports whether there is RAM at a.
func (m *Memory) HasPage(a physmem.Address) bool { return m.bank(a) != nil }

// PageForRead is the page that a lies in: nil where there is no RAM. It must
// not be written, and is right until PagesMoved.
func (m *Memory) PageForRead(a physmem.Address) *Page {
	b := m.bank(a)
	if b == nil {
		return nil
	}
	c := b.chunks[(a-b.first)/chunkSize]
	if c == nil {
		return &zeroPage
	}
	return &c.pages[a/PageSize%chunkPages]
}

// PageForWrite is the page that a lies in, to be written: nil where there is
// no RAM. A page that holds code gives its observers notice.
func (m *Memory) PageForWrite(a physmem.Address) *Page {
	b := m.bank(a)
	if b == nil {
		return nil
	}
	i := (a - b.first) / chunkSize
	c := b.chunks[i]
	if c == nil {
		c = &chunk{}
		b.chunks[i] = c
		m.moved()
	}
	page := a / PageSize % chunkPages
	if c.code[page] {
		c.code[page] = false
		for _, o := range m.observers {
			o.CodeChanged(a.AlignDown(PageSize))
		}
	}
	return &c.pages[page]
}

// MarkCode says that an observer caches what is in the page of a, as code: it
// will be told before that changes. Pages for writing are then no longer right.
func (m *Memory) MarkCode(a physmem.Address) {
	b := m.bank(a)
	if b == nil {
		return
	}
	i := (a - b.first) / chunkSize
	if b.chunks[i] == nil {
		b.chunks[i] = &chunk{}
	}
	if code := &b.chunks[i].code[a/PageSize%chunkPages]; !*code {
		*code = true
		m.moved()
	}
}

func (m *Memory) moved() {
	for _, o := range m.observers {
		o.PagesMoved()
	}
}

// ReadPhysical implements physmem.Reader.
func (m *Memory) ReadPhysical(p []byte, a physmem.Address) (int, error) {
	return m.each("read", p, a, func(piece []byte, at physmem.Address) bool {
		page := m.PageForRead(at)
		if page != nil {
			copy(piece, page[at%PageSize:])
			m.overlayStale(piece, at)
		}
		return page != nil
	})
}

// WritePhysical implements physmem.Writer.
func (m *Memory) WritePhysical(p []byte, a physmem.Address) (int, error) {
	return m.each("write", p, a, func(piece []byte, at physmem.Address) bool {
		if !m.HasPage(at) {
			return false
		}
		if m.Watched(at, Write) && !m.Report(Access{Kind: Write, Cause: DMA, CPU: -1, Address: at, Size: len(piece)}) {
			return true
		}
		copy(m.PageForWrite(at)[at%PageSize:], piece)
		return true
	})
}

// each calls f with every page's piece of p.
func (m *Memory) each(operation string, p []byte, a physmem.Address, f func(piece []byte, at physmem.Address) bool) (int, error) {
	for done := 0; done < len(p); {
		at := a + physmem.Address(done)
		n := min(len(p)-done, int(PageSize-at%PageSize))
		if !f(p[done:done+n], at) {
			missing := physmem.Range{Start: at, End: a + physmem.Address(len(p))}
			if next := physmem.NewRanges(missing).Minus(m.ranges); len(next) > 0 {
				missing = next[0]
			}
			return done, &physmem.AccessError{Operation: operation, Range: missing, Err: physmem.ErrOutside}
		}
		done += n
	}
	return len(p), nil
}

// ViewPhysical implements physmem.Viewer. It lends what lies in one page.
func (m *Memory) ViewPhysical(r physmem.Range) []byte {
	if r.IsEmpty() || r.Start/PageSize != (r.End-1)/PageSize {
		return nil
	}
	page := m.PageForRead(r.Start)
	if page == nil || m.isStale(r) {
		return nil
	}
	return page[r.Start%PageSize:][:r.Size()]
}

// Populated is where there may be other than zeros.
func (m *Memory) Populated() physmem.Ranges {
	var found []physmem.Range
	for _, b := range m.banks {
		for i, c := range b.chunks {
			if c != nil {
				start := b.first + physmem.Address(i)*chunkSize
				found = append(found, physmem.Range{Start: start, End: start + chunkSize})
			}
		}
	}
	return physmem.NewRanges(found...).Intersect(m.ranges)
}

// Unobserve forgets everyone whom Observe added.
func (m *Memory) Unobserve() { m.observers = nil }
