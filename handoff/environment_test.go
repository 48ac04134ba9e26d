package handoff_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
)

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		in      string
		want    handoff.Environment
		wantErr error
	}{
		{"empty", "\x00\x00", nil, nil},
		{"one", "a=b\x00\x00", handoff.Environment{{Name: "a", Value: "b"}}, nil},
		{"rest ignored", "a=b\x00\x00garbage", handoff.Environment{{Name: "a", Value: "b"}}, nil},
		{"empty value", "a=\x00\x00", handoff.Environment{{Name: "a"}}, nil},
		{"equals in the value", "a=b=c\x00\x00", handoff.Environment{{Name: "a", Value: "b=c"}}, nil},
		{"no bytes", "", nil, handoff.ErrTruncated},
		{"single NUL", "\x00", nil, handoff.ErrInvalid},
		{"empty string first", "\x00a=b\x00\x00", nil, handoff.ErrInvalid},
		{"no end", "a=b\x00c=d", handoff.Environment{{Name: "a", Value: "b"}}, handoff.ErrTruncated},
		{"no double NUL", "a=b\x00", handoff.Environment{{Name: "a", Value: "b"}}, handoff.ErrTruncated},
		{"no equals", "a=b\x00cd\x00\x00", handoff.Environment{{Name: "a", Value: "b"}}, handoff.ErrInvalid},
		{"no name", "=b\x00\x00", nil, handoff.ErrInvalid},
		{"twice", "a=b\x00a=c\x00\x00", handoff.Environment{{Name: "a", Value: "b"}}, handoff.ErrInvalid},
		{"blank in the name", "a b=c\x00\x00", nil, handoff.ErrInvalid},
		{"control in the name", "a\x1b=c\x00\x00", nil, handoff.ErrInvalid},
		{"long name", strings.Repeat("n", 129) + "=c\x00\x00", nil, handoff.ErrInvalid},
		{"long value", "a=" + strings.Repeat("v", 1025) + "\x00\x00", nil, handoff.ErrTooLarge},
		{"too many", numbered(513), nil, handoff.ErrTooLarge},
		{"too long", numbered(70000)[:handoff.MaxEnvironment] + "\x00\x00", nil, handoff.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := handoff.ParseEnvironment([]byte(tt.in))
			require.ErrorIs(t, err, tt.wantErr)
			if tt.wantErr != nil {
				require.ErrorContains(t, err, "environment: ")
				require.True(t, tt.want == nil || len(got) == len(tt.want))
				return
			}
			require.Equal(t, tt.want, got)
			data, err := got.AppendBinary(nil)
			require.NoError(t, err)
			require.Equal(t, tt.in[:len(data)], string(data))
		})
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d=\x00", i)
	}
	return b.String() + "\x00"
}

func TestEnvironmentNotWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   handoff.Environment
		want error
	}{
		{"twice", handoff.Environment{{Name: "a"}, {Name: "a"}}, handoff.ErrInvalid},
		{"NUL in the value", handoff.Environment{{Name: "a", Value: "\x00"}}, handoff.ErrInvalid},
		{"equals in the name", handoff.Environment{{Name: "a="}}, handoff.ErrInvalid},
		{"too many", make513(), handoff.ErrTooLarge},
	} {
		data, err := tt.in.AppendBinary([]byte("before"))
		require.ErrorIs(t, err, tt.want, tt.name)
		require.Equal(t, "before", string(data))
	}
}

func make513() handoff.Environment {
	e := make(handoff.Environment, 513)
	for i := range e {
		e[i].Name = fmt.Sprint("v", i)
	}
	return e
}

func TestEnvironmentRestrict(t *testing.T) {
	t.Parallel()
	host := handoff.Environment{
		{Name: "acpi.rsdp", Value: "0xe0000"},
		{Name: "secret.key", Value: "hunter2"},
		{Name: "debug.rescue_minidump", Value: "1"},
		{Name: "rescue.end", Value: "halt"},
		{Name: "debug.rescue.rescue.end", Value: "reset"},
		{Name: "debug.rescue.console", Value: "comconsole"},
		{Name: "console", Value: "vidconsole"},
	}
	fixed := handoff.Environment{{Name: "smp", Value: "0"}, {Name: "console", Value: "none"}}
	got, err := host.Restrict(fixed, handoff.DefaultAllowed())
	require.NoError(t, err)
	require.Equal(t, handoff.Environment{
		{Name: "rescue.end", Value: "reset"},
		{Name: "console", Value: "comconsole"},
		{Name: "smp", Value: "0"},
		{Name: "acpi.rsdp", Value: "0xe0000"},
	}, got)
	value, ok := got.Lookup("rescue.end")
	require.True(t, ok)
	require.Equal(t, "reset", value)
	_, ok = got.Lookup("secret.key")
	require.False(t, ok)

	none, err := host.Restrict(nil, nil)
	require.NoError(t, err)
	require.Len(t, none, 2)

	for _, bad := range []handoff.Environment{
		{{Name: "debug.rescue.", Value: "x"}},
		{{Name: "debug.rescue.a b", Value: "x"}},
		{{Name: "rescue.x", Value: strings.Repeat("v", 2000)}},
	} {
		_, err := bad.Restrict(nil, handoff.DefaultAllowed())
		var wrong *handoff.EnvironmentError
		require.ErrorAs(t, err, &wrong)
	}
	_, err = host.Restrict(handoff.Environment{{Name: "="}}, nil)
	require.ErrorIs(t, err, handoff.ErrInvalid)
}

func FuzzParseEnvironment(f *testing.F) {
	f.Add([]byte("a=b\x00c=d\x00\x00"))
	f.Add([]byte("\x00\x00"))
	f.Add([]byte("=\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := handoff.ParseEnvironment(data)
		if err != nil {
			return
		}
		again, err := e.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, string(data[:len(again)]), string(again))
	})
}
