package seekable

import (
	"container/list"
	"sync"
)

// cache keeps the decoded frames that were used last. A frame that several
// goroutines want at once is decoded once. The zero value with a limit works.
type cache struct {
	limit int64

	mu      sync.Mutex
	used    int64
	entries map[int]*list.Element // of *cacheEntry
	order   list.List             // the last used first
}

type cacheEntry struct {
	frame int
	ready chan struct{} // closed when the rest is set
	value decoded
	err   error
	size  int64 // counted in used
}

// has reports whether frame i is there, decoded or about to be.
func (c *cache) has(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[i] != nil
}

// get gives frame i, which load makes if it is not there. A frame that could
// not be loaded is tried again the next time.
func (c *cache) get(i int, load func() (decoded, error)) (decoded, error) {
	c.mu.Lock()
	if element := c.entries[i]; element != nil {
		c.order.MoveToFront(element)
		c.mu.Unlock()
		e := element.Value.(*cacheEntry)
		<-e.ready
		return e.value, e.err
	}
	e := &cacheEntry{frame: i, ready: make(chan struct{})}
	if c.entries == nil {
		c.entries = make(map[int]*list.Element)
	}
	element := c.order.PushFront(e)
	c.entries[i] = element
	c.mu.Unlock()

	e.value, e.err = load()

	c.mu.Lock()
	if e.err != nil {
		c.remove(element)
	} else {
		e.size = e.value.memory()
		c.used += e.size
		c.evict(element)
	}
	c.mu.Unlock()
	close(e.ready)
	return e.value, e.err
}

// evict drops the frames used longest ago until the rest fits, but never keep.
// Those still being decoded count nothing and drop nothing.
func (c *cache) evict(keep *list.Element) {
	for element := c.order.Back(); element != nil && c.used > c.limit; {
		before := element.Prev()
		if element != keep && element.Value.(*cacheEntry).size > 0 {
			c.remove(element)
		}
		element = before
	}
}

func (c *cache) remove(element *list.Element) {
	e := c.order.Remove(element).(*cacheEntry)
	delete(c.entries, e.frame)
	c.used -= e.size
}
