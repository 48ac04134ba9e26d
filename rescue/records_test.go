package rescue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/efivar"
)

// firmwareVariables are variables in memory.
type firmwareVariables struct {
	variables map[string][]byte
	writes    int
}

func (f *firmwareVariables) GetVariable(name string, _ efivar.GUID) ([]byte, efivar.Attributes, error) {
	if data, ok := f.variables[name]; ok {
		return data, efivar.OurAttributes, nil
	}
	return nil, 0, efivar.ErrNotFound
}

func (f *firmwareVariables) SetVariable(name string, _ efivar.GUID, _ efivar.Attributes, data []byte) error {
	f.variables[name] = data
	f.writes++
	return nil
}

// Each boot saves the first record that earlier ones left, and the last.
func TestSaveRecords(t *testing.T) {
	firmware := &firmwareVariables{variables: map[string][]byte{}}
	h := guardedHost(t, true)
	for boot := range 4 {
		h.reserved, h.protected = nil, nil // RAM keeps its contents
		h.facts.Clock.Wall++               // another boot
		armed := arm(t, testConfig(h))
		n, err := armed.SaveRecords(firmware)
		require.NoError(t, err)
		require.Equal(t, min(boot, 2), n, "the area keeps the first and the last")
		require.Equal(t, boot, firmware.writes, "the first, and each last one")
		saved, err := efivar.Load(firmware)
		require.NoError(t, err)
		require.Len(t, saved, min(boot, 2))
		if boot > 0 {
			last, err := record.Decode(saved[len(saved)-1])
			require.NoError(t, err)
			require.Equal(t, "nil dereference", last.Message)
		}
		h.run(testContext())
	}
}
