package record_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
)

// canonical encodes as RFC 8949 section 4.2.1 says.
var canonical = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// TestEncoderVectors are of RFC 8949 appendix A.
func TestEncoderVectors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		want string
		put  func(e *record.Encoder)
	}{
		{"00", func(e *record.Encoder) { e.Uint(0) }},
		{"17", func(e *record.Encoder) { e.Uint(23) }},
		{"1818", func(e *record.Encoder) { e.Uint(24) }},
		{"1903e8", func(e *record.Encoder) { e.Uint(1000) }},
		{"1a000f4240", func(e *record.Encoder) { e.Uint(1000000) }},
		{"1bffffffffffffffff", func(e *record.Encoder) { e.Uint(math.MaxUint64) }},
		{"20", func(e *record.Encoder) { e.Int(-1) }},
		{"3903e7", func(e *record.Encoder) { e.Int(-1000) }},
		{"3b7fffffffffffffff", func(e *record.Encoder) { e.Int(math.MinInt64) }},
		{"f6", func(e *record.Encoder) { e.Null() }},
		{"40", func(e *record.Encoder) { e.Bytes(record.ViewBytes(nil)) }},
		{"4401020304", func(e *record.Encoder) { e.Bytes(record.ViewBytes([]byte{1, 2, 3, 4})) }},
		{"62c3bc", func(e *record.Encoder) { e.Text(record.ViewString("ü")) }},
		{"64f0908591", func(e *record.Encoder) { e.Text(record.ViewString("\U00010151")) }},
		{"a201020304", func(e *record.Encoder) { e.Map(2); e.Uint(1); e.Uint(2); e.Uint(3); e.Uint(4) }},
		{"b818", func(e *record.Encoder) { e.Map(24) }},
	} {
		b := make([]byte, len(tt.want)/2)
		e := record.NewEncoder(b)
		tt.put(&e)
		require.False(t, e.Full())
		require.Equal(t, tt.want, hex.EncodeToString(b[:e.Len()]))
		// One byte less: refused whole.
		b[len(b)-1] = 0xee
		short := record.NewEncoder(b[:len(b)-1])
		tt.put(&short)
		require.True(t, short.Full())
		require.Equal(t, byte(0xee), b[len(b)-1])
	}
}

// TestTextIsUTF8 has every sequence of up to three bytes of an interesting set:
// what comes out is valid, as long as what went in, and the same if that was.
func TestTextIsUTF8(t *testing.T) {
	t.Parallel()
	set := []byte{0, 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff}
	check := func(text []byte) {
		b := make([]byte, 8)
		e := record.NewEncoder(b)
		e.Text(record.ViewBytes(text))
		got := b[1:e.Len()]
		require.Len(t, got, len(text))
		require.True(t, utf8.Valid(got), "%x", text)
		if utf8.Valid(text) {
			require.Equal(t, text, got)
		}
	}
	for _, a := range set {
		for _, b := range set {
			for _, c := range set {
				check([]byte{a, b, c})
				check([]byte{0xf0, a, b, c})
				check([]byte{0xf4, a, b, c})
			}
		}
	}
}

// full has every field.
var full = record.Record{
	RestartID: first, Sequence: 1 << 40, Time: 1763768700123456789, Uptime: 123456789012, CPU: 0, Class: record.ClassPage, Source: "host",
	Generation: 2, Flags: record.FlagStackCut, Message: "page fault", BuildID: "abc", Reason: 5, Vector: 14, ErrorCode: 2,
	FaultAddress: 0xffff800000000000, PC: 0x401000, Stopped: 3, NotStopped: 1, Architecture: record.AMD64,
	Registers: []byte{1, 2, 3}, StackAddress: 0xc000012000, Stack: []byte{4, 5, 6}, Trace: "main.main()\n", Count: 7, First: 3,
}

func TestDecode(t *testing.T) {
	t.Parallel()
	data, err := full.AppendBinary([]byte("x"))
	require.NoError(t, err)
	r, err := record.Decode(data[1:])
	require.NoError(t, err)
	require.Equal(t, &full, r)
	// Every field is in it: none of full's is zero but CPU.
	v := reflect.ValueOf(*r)
	for i := range v.NumField() {
		require.True(t, !v.Field(i).IsZero() || v.Type().Field(i).Name == "CPU", v.Type().Field(i).Name)
	}
	for n := range data[1:] {
		_, err := record.Decode(data[1:][:n])
		require.ErrorIs(t, err, record.ErrRecord, "%d bytes", n)
	}
	_, err = record.Decode(append(data[1:], 0))
	require.ErrorIs(t, err, record.ErrRecord)
}

// TestDecodeSkips has keys that version 1 does not know.
func TestDecodeSkips(t *testing.T) {
	t.Parallel()
	m := map[uint64]any{0: 1, 1: make([]byte, 16), 2: 5, 6: "a.b", 7: "c", 40: "more", 41: -7, 42: []byte{1}, 43: nil, 300: 1 << 40}
	data, err := canonical.Marshal(m)
	require.NoError(t, err)
	r, err := record.Decode(data)
	require.NoError(t, err)
	require.Equal(t, &record.Record{Sequence: 5, Class: "a.b", Source: "c", CPU: record.NoCPU}, r)
	for name, change := range map[string]func(){
		"version":  func() { m[0] = 2 },
		"array":    func() { m[44] = []int{1} },
		"id":       func() { m[1] = make([]byte, 15) },
		"wide":     func() { m[8] = uint64(1) << 33 },
		"no class": func() { delete(m, 6) },
	} {
		change()
		data, err := canonical.Marshal(m)
		require.NoError(t, err)
		_, err = record.Decode(data)
		require.ErrorIs(t, err, record.ErrRecord, name)
		m = map[uint64]any{0: 1, 1: make([]byte, 16), 2: 5, 6: "a.b", 7: "c"}
	}
}

// FuzzRecord makes a record of any values: what the CBOR library reads of it is
// what was put in, it is well-formed, and it is what that library would have
// written.
func FuzzRecord(f *testing.F) {
	f.Add(uint64(1), int64(2), "host.fault.panic", "host", "boom", []byte{1}, []byte{2}, "trace", uint32(0))
	f.Add(uint64(math.MaxUint64), int64(-5), "", "", "\xff\xc3", []byte{}, make([]byte, 300), "", uint32(math.MaxUint32))
	f.Fuzz(func(t *testing.T, n uint64, when int64, class, source, message string, registers, stack []byte, trace string, n32 uint32) {
		r := record.Record{
			RestartID: first, Sequence: n, Time: when, Uptime: n, CPU: n32, Class: class, Source: source, Generation: n32, Flags: record.Flags(n32),
			Message: message, BuildID: source, Reason: n32, Vector: n, ErrorCode: n, FaultAddress: n, PC: n, Stopped: n32, NotStopped: n32,
			Architecture: record.Architecture(n32), Registers: registers, StackAddress: n, Stack: stack, Trace: trace, Count: n, First: n,
		}
		data, err := r.AppendBinary(nil)
		require.NoError(t, err)
		var m map[uint64]any
		require.NoError(t, cbor.Unmarshal(data, &m))
		again, err := canonical.Marshal(m)
		require.NoError(t, err)
		require.Equal(t, again, data, "deterministic")
		back, err := record.Decode(data)
		require.NoError(t, err)
		if utf8.ValidString(class + source + message + trace) {
			want := func(s string, most int) string { return s[:min(len(s), most)] }
			require.Equal(t, message, back.Message)
			require.Equal(t, trace, back.Trace)
			require.Equal(t, len(want(class, record.MaxName)), len(back.Class))
		}
		require.Equal(t, r.Sequence, back.Sequence)
		require.Equal(t, r.Time, back.Time)
		require.True(t, bytes.Equal(r.Stack, back.Stack))
		require.True(t, bytes.Equal(r.Registers, back.Registers))
		second, err := back.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, data, second)
	})
}

func FuzzDecode(f *testing.F) {
	data, err := full.AppendBinary(nil)
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte{0xa0})
	f.Add([]byte{0xbf})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := record.Decode(data)
		if err != nil {
			require.ErrorIs(t, err, record.ErrRecord)
			return
		}
		var m map[uint64]any
		require.NoError(t, cbor.Unmarshal(data, &m), "what we take the library takes")
		require.Equal(t, r.Sequence, m[2])
	})
}
