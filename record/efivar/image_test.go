package efivar_test

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record/efivar"
)

// image builds a store with our variables, as EDK II has it.
func image(t testing.TB, states map[string]byte, data []byte) []byte {
	t.Helper()
	le := binary.LittleEndian
	b := make([]byte, 72)
	copy(b[40:], "_FVH")
	le.PutUint16(b[48:], 72)
	store := append([]byte{0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92}, make([]byte, 12)...)
	le.PutUint16(store[20:], 0xfe5a)
	for _, name := range []string{efivar.FirstName, efivar.LastName} {
		state, ok := states[name]
		if !ok {
			continue
		}
		h := make([]byte, 60)
		le.PutUint16(h, 0x55aa)
		h[2] = state
		le.PutUint32(h[4:], 7)
		text := append(utf16.Encode([]rune(name)), 0)
		le.PutUint32(h[36:], uint32(2*len(text)))
		le.PutUint32(h[40:], uint32(len(data)))
		copy(h[44:], efivar.Vendor[:])
		for _, u := range text {
			h = le.AppendUint16(h, u)
		}
		h = append(h, data...)
		store = append(store, append(h, make([]byte, -len(h)&3)...)...)
	}
	for len(store) < 8192 {
		store = append(store, 0xff)
	}
	le.PutUint32(store[16:], uint32(len(store)))
	return append(b, store...)
}

func TestImage(t *testing.T) {
	t.Parallel()
	data, err := efivar.Encode(sample(t, 1))
	require.NoError(t, err)
	m, err := efivar.OpenImage(image(t, map[string]byte{efivar.FirstName: 0x3f, efivar.LastName: 0x3e}, data))
	require.NoError(t, err)
	records, err := efivar.Load(m)
	require.NoError(t, err)
	require.Equal(t, [][]byte{sample(t, 1), sample(t, 1)}, records)
	require.ErrorIs(t, efivar.Clear(m), errors.ErrUnsupported)
	m, err = efivar.OpenImage(image(t, map[string]byte{efivar.FirstName: 0x3d}, data))
	require.NoError(t, err)
	_, _, err = m.GetVariable(efivar.FirstName, efivar.Vendor)
	require.ErrorIs(t, err, efivar.ErrNotFound, "deleted")
	for _, n := range []int{0, 44, 60, 90, 100} {
		_, err = efivar.OpenImage(image(t, nil, nil)[:n])
		require.ErrorIs(t, err, efivar.ErrImage)
	}
}

// TestDebianImage reads the variables that Debian's OVMF comes with.
func TestDebianImage(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")
	if err != nil {
		t.Skip(err)
	}
	m, err := efivar.OpenImage(data)
	require.NoError(t, err)
	// EFI_GLOBAL_VARIABLE (UEFI 2.10 section 3.3).
	global := efivar.GUID{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}
	for _, name := range []string{"PK", "KEK"} {
		value, attributes, err := m.GetVariable(name, global)
		require.NoError(t, err)
		require.NotEmpty(t, value)
		require.NotZero(t, attributes&efivar.NonVolatile)
	}
}

func FuzzImage(f *testing.F) {
	data, err := efivar.Encode(sample(f, 1))
	require.NoError(f, err)
	f.Add(image(f, map[string]byte{efivar.FirstName: 0x3f}, data))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := efivar.OpenImage(data)
		if err != nil {
			require.ErrorIs(t, err, efivar.ErrImage)
			return
		}
		_, _ = efivar.Load(m)
	})
}
