package seekable

import (
	"sync"
	"sync/atomic"
)

// pool compresses jobs in several goroutines and writes them in order in one.
//
// The Writer sends each job to order, and to work if it is still to be
// compressed. The emitter takes jobs from order, waits until each is done,
// writes it and gives it back to free. There are so many jobs that neither
// channel ever blocks; take does, and so bounds the memory.
type pool struct {
	free    chan *job
	work    chan *job
	order   chan *job
	output  *output
	pending sync.WaitGroup // jobs in order
	running sync.WaitGroup // goroutines
	failed  atomic.Pointer[error]
}

func newPool(o *WriterOptions, out *output) (*pool, error) {
	n := 2*o.Workers + 2
	p := &pool{free: make(chan *job, n), work: make(chan *job, n), order: make(chan *job, n), output: out}
	encoders := make([]*encoder, o.Workers)
	for i := range encoders {
		var err error
		if encoders[i], err = newEncoder(o); err != nil {
			return nil, err
		}
	}
	for range n {
		p.free <- newJob(o)
	}
	for _, e := range encoders {
		p.running.Go(func() {
			for j := range p.work {
				j.output = e.encode(j.output[:0], j.buffer[:j.n], j.offset)
				j.size = j.n
				j.done <- struct{}{}
			}
		})
	}
	p.running.Go(p.emit)
	return p, nil
}

// take gives an empty job.
func (p *pool) take() *job {
	j := <-p.free
	j.n = 0
	return j
}

// compress has j compressed and written in its turn.
func (p *pool) compress(j *job) {
	p.pending.Add(1)
	p.order <- j
	p.work <- j
}

// send has j, whose output is made, written in its turn.
func (p *pool) send(j *job) {
	j.done <- struct{}{}
	p.pending.Add(1)
	p.order <- j
}

func (p *pool) emit() {
	for j := range p.order {
		<-j.done
		if err := p.output.emit(j.output, j.size); err != nil && p.failed.Load() == nil {
			err := p.output.err
			p.failed.Store(&err)
		}
		p.free <- j
		p.pending.Done()
	}
}

// failure is the first error.
func (p *pool) failure() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// wait returns when all jobs are written.
func (p *pool) wait() { p.pending.Wait() }

// close waits for all jobs and ends the goroutines. The output is the
// caller's afterwards.
func (p *pool) close() {
	close(p.work)
	close(p.order)
	p.running.Wait()
}
