package kernel

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The list against one protection per page, and its own rules.
func TestAreas(t *testing.T) {
	t.Parallel()
	const pages = 200
	random := rand.New(rand.NewPCG(5, 6))
	l := &areaList{}
	model := [pages]int{} // 0: not mapped; otherwise protection + 1
	for range 20000 {
		start := random.IntN(pages)
		end := start + 1 + random.IntN(min(40, pages-start))
		switch random.IntN(3) {
		case 0, 1:
			protection := random.IntN(4)
			require.True(t, l.insert(uintptr(start), uintptr(end), uintptr(protection)))
			for i := start; i < end; i++ {
				model[i] = protection + 1
			}
		case 2:
			require.True(t, l.remove(uintptr(start), uintptr(end)))
			for i := start; i < end; i++ {
				model[i] = 0
			}
		}
		checkAreas(t, l, model[:])
		checkQueries(t, l, model[:], random)
	}
}

func checkAreas(t *testing.T, l *areaList, model []int) {
	t.Helper()
	at := 0
	var all, touchable uintptr
	for i := range l.count {
		a := l.at(i)
		require.Less(t, a.start, a.end)
		for ; uintptr(at) < a.start; at++ {
			require.Zero(t, model[at], "page %d", at)
		}
		for ; uintptr(at) < a.end; at++ {
			require.EqualValues(t, a.protection+1, model[at], "page %d", at)
		}
		if i > 0 {
			b := l.at(i - 1)
			require.False(t, b.end == a.start && b.protection == a.protection, "two areas that should be one")
		}
		all += a.end - a.start
		if a.protection != 0 {
			touchable += a.end - a.start
		}
	}
	for ; at < len(model); at++ {
		require.Zero(t, model[at])
	}
	gotAll, gotTouchable := l.bytes()
	require.Equal(t, []uintptr{all, touchable}, []uintptr{gotAll, gotTouchable})
}

func checkQueries(t *testing.T, l *areaList, model []int, random *rand.Rand) {
	t.Helper()
	start := random.IntN(len(model))
	end := start + 1 + random.IntN(len(model)-start)
	covered, free := true, true
	for i := start; i < end; i++ {
		covered = covered && model[i] != 0
		free = free && model[i] == 0
	}
	require.Equal(t, covered, l.covers(uintptr(start), uintptr(end)))
	require.Equal(t, free, l.isFree(uintptr(start), uintptr(end)))
	_, inside := l.find(uintptr(start))
	require.Equal(t, model[start] != 0, inside)

	size, low := 1+random.IntN(20), 1+random.IntN(50)
	want, run := 0, 0
	for i := low; i < len(model) && want == 0; i++ {
		if run++; model[i] != 0 {
			run = 0
		}
		if run == size {
			want = i - size + 1
		}
	}
	require.EqualValues(t, want, l.gap(uintptr(low), uintptr(len(model)), uintptr(size)), "%d pages from %d", size, low)
}

func TestAreasFull(t *testing.T) {
	t.Parallel()
	l := &areaList{}
	n := uintptr(0)
	for l.insert(2*n, 2*n+1, protectRead) {
		n++
	}
	require.EqualValues(t, maxAreas-1, n)
	require.True(t, l.remove(0, 1))
	require.True(t, l.insert(1000, 1010, protectRead))
	require.False(t, l.insert(1003, 1004, protectNone))
	require.True(t, l.remove(1003, 1004), "there is room for one cut")
	require.False(t, l.remove(1007, 1008))
	require.True(t, l.covers(1004, 1010), "a failed cut changes nothing")
}
