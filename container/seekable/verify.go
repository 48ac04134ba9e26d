package seekable

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// VerifyFrames reads and decodes every frame, with all cores, and gives what
// is wrong: what Damage has, every frame that cannot be read or decoded, and
// every frame whose record is damaged (ErrRecord, with no content lost). The
// list is in the order of the file. A file for which it is empty has every bit
// of its frames and records as it was written.
//
// progress may be nil; it is called with how many frames are done, from
// several goroutines. The error is ctx's.
func (s *Reader) VerifyFrames(ctx context.Context, progress func(done int)) ([]*FrameError, error) {
	found := slices.Clone(s.damage)
	var (
		mu         sync.Mutex
		workers    sync.WaitGroup
		next, done atomic.Int64
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var buffer []byte
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(s.frames) {
					return
				}
				if e := s.verifyFrame(i, &buffer); e != nil {
					mu.Lock()
					found = append(found, e)
					mu.Unlock()
				}
				if n := int(done.Add(1)); progress != nil {
					progress(n)
				}
			}
		})
	}
	workers.Wait()
	slices.SortStableFunc(found, func(a, b *FrameError) int { return int(min(max(a.Offset-b.Offset, -1), 1)) })
	return found, ctx.Err()
}

func (s *Reader) verifyFrame(i int, buffer *[]byte) *FrameError {
	f := &s.frames[i]
	_, recordOK, err := s.loadChecked(i, func(n int) []byte { return grow(buffer, n) })
	if err != nil {
		return err.(*FrameError) // loadChecked gives no other
	}
	if !recordOK {
		return &FrameError{Frame: i, Offset: f.offset - RecordSize, Start: f.start, End: f.start, Err: ErrRecord}
	}
	return nil
}
