package main

import (
	"fmt"
	"sync"
	"time"
)

// ledger is what the host works on: something to look for in a dump.
type ledger struct {
	mu      sync.Mutex
	entries map[string]uint64
}

var books = ledger{entries: map[string]uint64{}}

// work keeps several goroutines busy for a while. They go on after it.
func work(duration time.Duration) {
	stop := time.Now().Add(duration)
	requests := make(chan uint64)
	for clerk := range 4 {
		go books.serve(fmt.Sprintf("clerk %d", clerk), requests)
	}
	for n := uint64(1); time.Now().Before(stop); n++ {
		requests <- n
	}
	books.mu.Lock()
	defer books.mu.Unlock()
	fmt.Printf("host: worked for %v, %d clerks\n", duration, len(books.entries))
}

// serve adds up requests under a name.
func (l *ledger) serve(name string, requests <-chan uint64) {
	for n := range requests {
		l.mu.Lock()
		l.entries[name] += n
		l.mu.Unlock()
	}
}
