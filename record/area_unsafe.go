package record

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// Area is an area in use. Its methods may be called from any goroutine.
type Area struct {
	memory []byte
	start  unsafe.Pointer
	names  map[string]int
	list   []string
}

// newArea is an area in memory whose header is sound.
func newArea(memory []byte, sources []SourceLayout) *Area {
	a := &Area{memory: memory, start: unsafe.Pointer(unsafe.SliceData(memory)), names: map[string]int{}}
	for i, s := range sources {
		a.names[s.Name] = i
		a.list = append(a.list, s.Name)
	}
	return a
}

// Format makes an area in memory, whatever was there. It begins with a loss of
// an unknown number of records, because nobody knows what was there before; Adopt
// is for memory in which an earlier boot may have left its area.
func Format(memory []byte, layout Layout, restart ID) (*Area, error) {
	a, err := format(memory, layout, restart, 1)
	if err != nil {
		return nil, err
	}
	_, err = a.Add(SourceRecord, &Record{Class: ClassLoss, CPU: NoCPU, Count: UnknownCount, Message: messageUnknownLoss})
	return a, err
}

const messageUnknownLoss = "what was recorded before this boot is not known"

func format(memory []byte, layout Layout, restart ID, boot uint32) (*Area, error) {
	sources := layout.sources()
	if err := check(sources); err != nil {
		return nil, err
	}
	size := layout.Size()
	start := unsafe.Pointer(unsafe.SliceData(memory))
	if len(memory) < size || uintptr(start)%8 != 0 {
		return nil, fmt.Errorf("%d bytes of memory, want %d at a multiple of 8: %w", len(memory), size, ErrLayout)
	}
	publish32(start, offsetMagic, 0)
	clear(memory)
	slot := tableEnd(len(sources))
	for i, l := range sources {
		s := sourceAt(start, uintptr(i))
		store8(s.block, sourceOffsetName, byte(len(l.Name)))
		copyMemory(s.block, sourceOffsetName+1, unsafe.Pointer(unsafe.StringData(l.Name)), uintptr(len(l.Name)))
		store32(s.block, sourceOffsetSlots, uint32(l.Slots))
		store32(s.block, sourceOffsetSlots+4, uint32(l.SlotSize))
		store64(s.block, sourceOffsetStart, uint64(slot))
		store32(s.block, sourceOffsetMagic, sourceMagic)
		store64(s.block, sourceOffsetBusy, packed(0))
		store64(s.block, sourceOffsetFaults, packed(0))
		s.sign()
		slot += l.Slots * l.SlotSize
	}
	store32(start, offsetVersion, areaVersion)
	store64(start, offsetSize, uint64(len(memory)))
	store32(start, offsetSources, uint32(len(sources)))
	store32(start, offsetBoot, boot)
	copyMemory(start, offsetRestart, unsafe.Pointer(&restart), 16)
	store32(start, offsetCRC, crc32C(start, offsetSize, offsetFixedEnd-offsetSize))
	putPanics(start, 0)
	atomic.StoreUint64(word64(start, offsetMagic), areaMagic)
	return newArea(memory, sources), nil
}

// Memory is what the area lies in.
func (a *Area) Memory() []byte { return a.memory }

// RestartID is that of this boot.
func (a *Area) RestartID() (id ID) {
	copy(id[:], a.memory[offsetRestart:])
	return id
}

// Boot is how many boots the area has seen, this one included.
func (a *Area) Boot() uint32 { return load32(a.start, offsetBoot) }

// Sources are the names of the sources, by index.
func (a *Area) Sources() []string { return append([]string(nil), a.list...) }

// Source is the index of a source's space: of the name, or ErrSource.
func (a *Area) Source(name string) (int, error) {
	i, ok := a.names[name]
	if !ok {
		return 0, fmt.Errorf("source %q: %w", name, ErrSource)
	}
	return i, nil
}

// Panics is how many boots in a row ended in a panic, up to the last.
func (a *Area) Panics() uint32 { return panics(a.start) }

// Healthy says that this boot has come as far as the host wants before it
// counts as a good one: the count of panics in a row begins again.
func (a *Area) Healthy() { putPanics(a.start, 0) }

// spins is how often a writer tries to get a source's lock.
const spins = 1000

// acquire takes a source's lock. It gives up, because who holds it may have been
// stopped.
func (s source) acquire() bool {
	for i := range spins {
		if s.lock() {
			return true
		}
		if i%16 == 15 {
			runtime.Gosched()
		}
	}
	return false
}

// Patience, in tries that are 2 ms apart: of a writer, who has a fault to see to,
// and of a reader, whom nobody waits for.
const (
	patienceOfWriter = 50
	patienceOfReader = 500
)

// acquireWithin is acquire for who has time: who holds the lock, perhaps a reader
// that copies the area, may be waiting for a CPU itself.
func (s source) acquireWithin(tries int) bool {
	for range tries {
		if s.acquire() {
			return true
		}
		time.Sleep(2 * time.Millisecond)
	}
	return false
}

func (a *Area) source(index int) (source, error) {
	if index < 0 || index >= len(a.list) {
		return source{}, fmt.Errorf("source %d of %d: %w", index, len(a.list), ErrSource)
	}
	return sourceAt(a.start, uintptr(index)), nil
}

// Add records r in the space of a source, which is not SourceHost, and gives its
// sequence number. What does not fit is cut; r's flags in the area say so. A
// record that finds no room is counted as lost, with ErrFull, and one that finds
// the space taken for 100 ms with ErrBusy: whoever has it was stopped. An r without a
// Source gets the name of the space. Add allocates nothing.
func (a *Area) Add(index int, r *Record) (sequence uint64, err error) {
	sequence, err = a.try(index, r, patienceOfWriter)
	if err == ErrBusy {
		sourceAt(a.start, uintptr(index)).count(sourceOffsetBusy)
	}
	return sequence, err
}

// try is Add, but for one that ends with ErrBusy: nothing was counted.
func (a *Area) try(index int, r *Record, patience int) (sequence uint64, err error) {
	s, err := a.source(index)
	if err != nil || index == SourceHost {
		return 0, sourceError(err)
	}
	f := r.fields()
	if f.Source.length == 0 {
		f.Source = s.nameView()
	}
	if !s.acquireWithin(patience) {
		return 0, ErrBusy
	}
	sequence = s.add(uint32(index), &f)
	s.unlock()
	runtime.KeepAlive(r)
	if sequence == 0 {
		return 0, ErrFull
	}
	return sequence, nil
}

// sourceError is err, or that the host's space is for the panic path alone.
func sourceError(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("source 0 is written by the panic path alone: %w", ErrSource)
}
