package efivar_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
)

// store is firmware in memory.
type store struct {
	variables map[string][]byte
	writes    int
	err       error
}

func newStore() *store { return &store{variables: map[string][]byte{}} }

func (s *store) GetVariable(name string, vendor efivar.GUID) ([]byte, efivar.Attributes, error) {
	data, ok := s.variables[name+vendor.String()]
	switch {
	case s.err != nil:
		return nil, 0, s.err
	case !ok:
		return nil, 0, efivar.ErrNotFound
	}
	return data, efivar.OurAttributes, nil
}

func (s *store) SetVariable(name string, vendor efivar.GUID, attributes efivar.Attributes, data []byte) error {
	if s.err != nil || attributes != 7 {
		return s.err
	}
	s.writes++
	if len(data) == 0 {
		delete(s.variables, name+vendor.String())
	} else {
		s.variables[name+vendor.String()] = data
	}
	return nil
}

func sample(t testing.TB, n uint64) []byte {
	t.Helper()
	r := record.Record{Sequence: n, Class: record.ClassPanic, Source: "host", Message: "boom"}
	data, err := r.AppendBinary(nil)
	require.NoError(t, err)
	return data
}

// TestSave keeps the first and the last.
func TestSave(t *testing.T) {
	t.Parallel()
	s := newStore()
	records, err := efivar.Load(s)
	require.NoError(t, err)
	require.Empty(t, records)
	for n := range uint64(4) {
		require.NoError(t, efivar.Save(s, sample(t, n)))
	}
	records, err = efivar.Load(s)
	require.NoError(t, err)
	require.Equal(t, [][]byte{sample(t, 0), sample(t, 3)}, records)
	require.Equal(t, 4, s.writes)
	require.NoError(t, efivar.Save(s, sample(t, 0)))
	require.Equal(t, 4, s.writes, "what is there is not written again")

	// A first one that is damaged is written over.
	s.variables[efivar.FirstName+efivar.Vendor.String()][30]++
	records, err = efivar.Load(s)
	require.ErrorIs(t, err, efivar.ErrDamaged)
	require.Equal(t, [][]byte{sample(t, 3)}, records)
	require.NoError(t, efivar.Save(s, sample(t, 9)))
	records, err = efivar.Load(s)
	require.NoError(t, err)
	require.Equal(t, [][]byte{sample(t, 9), sample(t, 3)}, records)
	require.NoError(t, efivar.Clear(s))
	require.Empty(t, s.variables)

	s.err = errors.New("firmware broke")
	require.ErrorIs(t, efivar.Save(s, sample(t, 1)), s.err)
	_, err = efivar.Load(s)
	require.ErrorIs(t, err, s.err)
	require.ErrorIs(t, efivar.Clear(s), s.err)
}

// TestTorn changes each byte and cuts at each.
func TestTorn(t *testing.T) {
	t.Parallel()
	data, err := efivar.Encode(sample(t, 1))
	require.NoError(t, err)
	for i := range data {
		data[i] ^= 0x41
		_, err := efivar.Parse(data)
		require.True(t, errors.Is(err, efivar.ErrRecord) || errors.Is(err, efivar.ErrDamaged), "byte %d: %v", i, err)
		data[i] ^= 0x41
		_, err = efivar.Parse(data[:i])
		require.Error(t, err)
	}
	_, err = efivar.Parse(append(data, 0))
	require.ErrorIs(t, err, efivar.ErrDamaged)
	for _, n := range []int{0, efivar.MaxRecord + 1} {
		_, err := efivar.Encode(make([]byte, n))
		require.ErrorIs(t, err, efivar.ErrTooLarge)
		require.ErrorIs(t, efivar.Save(newStore(), make([]byte, n)), efivar.ErrTooLarge)
	}
	full, err := efivar.Encode(make([]byte, efivar.MaxRecord))
	require.NoError(t, err)
	require.Len(t, full, efivar.MaxSize)
}

func TestFile(t *testing.T) {
	t.Parallel()
	data, err := efivar.Encode(sample(t, 1))
	require.NoError(t, err)
	got, attributes, err := efivar.ParseFile(append([]byte{7, 0, 0, 0}, data...))
	require.NoError(t, err)
	require.Equal(t, efivar.OurAttributes, attributes)
	require.Equal(t, sample(t, 1), got)
	_, _, err = efivar.ParseFile([]byte{7, 0})
	require.ErrorIs(t, err, efivar.ErrRecord)
	require.Equal(t, "RescueRecord-6f7b2c1e-9d54-4c3a-8f0e-52a1c7d3e964", efivar.FileName(efivar.FirstName))
}

func FuzzParse(f *testing.F) {
	data, err := efivar.Encode(sample(f, 1))
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte("RKEFIREC"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := efivar.Parse(data)
		if err != nil {
			return
		}
		again, err := efivar.Encode(r)
		if err == nil {
			require.Equal(t, data, again)
		}
		_, _, _ = efivar.ParseFile(data)
	})
}

// A host whose firmware has runtime services keeps its last record there.
func Example() {
	firmware := newStore()
	r := record.Record{Class: record.ClassPanic, Source: "host", Message: "boom", CPU: record.NoCPU}
	data, _ := r.AppendBinary(nil)
	fmt.Println(efivar.Save(firmware, data))

	// After the next boot:
	records, _ := efivar.Load(firmware)
	back, _ := record.Decode(records[0])
	fmt.Println(back.Class, back.Message)
	fmt.Println(efivar.Clear(firmware))
	// Output:
	// <nil>
	// host.fault.panic boom
	// <nil>
}

// services are a kernel's, with an error of their own for what is not there.
type services struct{ *store }

var errAbsent = errors.New("status 14")

func (s services) Get(name string, vendor [16]byte) ([]byte, uint32, error) {
	data, attributes, err := s.GetVariable(name, vendor)
	if errors.Is(err, efivar.ErrNotFound) {
		err = errAbsent
	}
	return data, uint32(attributes), err
}

func (s services) Set(name string, vendor [16]byte, attributes uint32, data []byte) error {
	return s.SetVariable(name, vendor, efivar.Attributes(attributes), data)
}

// TestServices saves by a kernel's services, and writes nothing twice.
func TestServices(t *testing.T) {
	t.Parallel()
	s := newStore()
	v := efivar.NewStore(services{s}, errAbsent)
	for range 2 {
		for n := range uint64(3) {
			if n != 1 {
				require.NoError(t, efivar.Save(v, sample(t, n)))
			}
		}
	}
	require.Equal(t, 2, s.writes)
	records, err := efivar.Load(v)
	require.NoError(t, err)
	require.Equal(t, [][]byte{sample(t, 0), sample(t, 2)}, records)
	s.err = errAbsent
	_, _, err = v.GetVariable(efivar.FirstName, efivar.Vendor)
	require.ErrorIs(t, err, efivar.ErrNotFound)
	s.err = errors.New("device error")
	require.ErrorIs(t, efivar.Clear(v), s.err)
	require.NotErrorIs(t, efivar.Clear(v), efivar.ErrNotFound)
}
