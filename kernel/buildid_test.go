package kernel

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// loadedPage is the first page of an ELF file with one note segment.
func loadedPage(notes []byte) []byte {
	page := make([]byte, 4096)
	copy(page, "\x7fELF")
	order := binary.LittleEndian
	order.PutUint64(page[32:], 64)
	order.PutUint16(page[56:], 2)
	order.PutUint32(page[64+56:], 4)
	order.PutUint64(page[64+56+8:], 0x200)
	order.PutUint64(page[64+56+32:], uint64(len(notes)))
	copy(page[0x200:], notes)
	return page
}

// behindTheSegment is a page whose note segment ends before the second note, as
// Go's linker leaves it.
func behindTheSegment(first, second []byte) []byte {
	page := loadedPage(first)
	copy(page[0x200+len(first):], second)
	return page
}

func note(kind uint32, name, value string) []byte {
	order := binary.LittleEndian
	b := order.AppendUint32(nil, uint32(len(name)))
	b = order.AppendUint32(b, uint32(len(value)))
	b = order.AppendUint32(b, kind)
	b = append(b, name...)
	b = append(b, make([]byte, -len(b)&3)...)
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func TestGNUBuildID(t *testing.T) {
	t.Parallel()
	id := note(3, "GNU\x00", "\x01\x02\xab\xcd\xef")
	tests := map[string]struct {
		page []byte
		want string
	}{
		"alone":       {loadedPage(id), "0102abcdef"},
		"second":      {loadedPage(append(note(4, "Go\x00\x00", "some/build/id"), id...)), "0102abcdef"},
		"behind":      {behindTheSegment(note(4, "Go\x00\x00", "some/build/id"), id), "0102abcdef"},
		"other owner": {loadedPage(note(3, "Xen\x00", "1234")), ""},
		"none":        {loadedPage(nil), ""},
		"cut":         {loadedPage(id[:14]), ""},
		"huge size":   {loadedPage([]byte{4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 'G', 'N', 'U', 0}), ""},
		"not ELF":     {make([]byte, 4096), ""},
		"short":       {[]byte("\x7fELF"), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, gnuBuildID(test.page))
		})
	}
}

func FuzzGNUBuildID(f *testing.F) {
	f.Add(loadedPage(note(3, "GNU\x00", "1234")))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(_ *testing.T, page []byte) { gnuBuildID(page) })
}
