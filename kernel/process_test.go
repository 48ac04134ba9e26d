//go:build linux && amd64

package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// strings runs f with a writer, and returns the strings that it put in.
func startStrings(t *testing.T, f func(w *startWriter)) []string {
	t.Helper()
	memory := make([]byte, 8192)
	base := address(memory)
	w := &startWriter{vector: base, vectorEnd: base + 80, text: base + 4096, textEnd: base + 8000}
	f(w)
	var list []string
	for p := base; p < w.vector; p += 8 {
		s := load64(p)
		n := uintptr(0)
		for load8(s+n) != 0 {
			n++
		}
		list = append(list, string(bytesAt(s, n)))
	}
	return list
}

func TestPutWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2][]string{
		"":                        {nil, nil},
		"  a  b=c d\t e=f=g ":     {{"a", "d"}, {"b=c", "e=f=g"}},
		"=":                       {nil, {"="}},
		"one":                     {{"one"}, nil},
		"a b c d e f g h i j k l": {{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, nil},
	} {
		text := append([]byte(line), 0)
		for i, variables := range []bool{false, true} {
			got := startStrings(t, func(w *startWriter) { putWords(w, address(text), uintptr(len(line)), variables) })
			require.Equal(t, want[i], got, "%q", line)
		}
	}
}

func TestPutDebug(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                            "GODEBUG=asyncpreemptoff=1",
		"x GODEBUG=gctrace=1 y":       "GODEBUG=gctrace=1,asyncpreemptoff=1",
		"GODEBUG=a=1,b=2":             "GODEBUG=a=1,b=2,asyncpreemptoff=1",
		"MYGODEBUG=1":                 "GODEBUG=asyncpreemptoff=1",
		"GODEBUG= next":               "GODEBUG=,asyncpreemptoff=1",
		"other=GODEBUG=1 GODEBUG=c=3": "GODEBUG=c=3,asyncpreemptoff=1",
	} {
		text := append([]byte(line), 0)
		got := startStrings(t, func(w *startWriter) { putDebug(w, findWord(address(text), uintptr(len(line)), "GODEBUG="), "") })
		require.Equal(t, []string{want}, got, "%q", line)
		got = startStrings(t, func(w *startWriter) {
			putDebug(w, findWord(address(text), uintptr(len(line)), "GODEBUG="), rescueDebug)
		})
		require.Equal(t, []string{want + ",memprofilerate=0"}, got, "%q", line)
	}
}

func TestFindString(t *testing.T) {
	t.Parallel()
	text := []byte("a=1\x00GODEBUG=x\x00b=2\x00\x00GODEBUG=y\x00")
	base := address(text)
	end := base + uintptr(len(text))
	require.EqualValues(t, base+12, findString(base, end, "GODEBUG="))
	require.EqualValues(t, base+16, findString(base, end, "b="))
	require.Zero(t, findString(base, end, "c="))
	require.Zero(t, findString(base, base+8, "GODEBUG="), "the end cuts it")
}

func TestAppendDecimal(t *testing.T) {
	t.Parallel()
	got := startStrings(t, func(w *startWriter) {
		for _, v := range []uintptr{0, 7, 10, 4096000, ^uintptr(0)} {
			w.begin()
			w.appendDecimal(v)
			w.end()
		}
	})
	require.Equal(t, []string{"0", "7", "10", "4096000", "18446744073709551615"}, got)
}
