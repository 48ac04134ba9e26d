package vmtests

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var lpisProgram = newProgram("./testdata/lpis")

var lpisLine = regexp.MustCompile(`lpis: (\d+) (0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+) (0x[0-9a-f]+)`)

// A host whose GICv3 takes LPIs: what the redistributors and the ITS were given is
// in the hand-off block, and the reservation keeps away from it, although nobody
// else knows that the memory is in use.
func TestARM64InterruptTables(t *testing.T) {
	image, err := bootimage.Wrap(bytes.NewReader(lpisProgram.imageFor(t, machine.ARM64)), bootimage.Options{})
	require.NoError(t, err)
	config := machine.Config{CPUs: 2, Boot: machine.Boot{Image: image}}
	h := freezeAt(t, armRunner("cortex-a57", ",gic-version=3,its=on"), config, "call", "two", witnessProgram)

	var want []handoff.InterruptTable
	for _, match := range lpisLine.FindAllStringSubmatch(h.console.String(), -1) {
		var table handoff.InterruptTable
		var controller, start, end uint64
		_, err := fmt.Sscan(fmt.Sprint(match[1], " ", match[2], " ", match[3], " ", match[4], " ", match[5]), &table.Kind, &controller, &table.Register, &start, &end)
		require.NoError(t, err, match[0])
		table.Controller = physmem.Address(controller)
		table.Memory = physmem.Range{Start: physmem.Address(start), End: physmem.Address(end)}
		want = append(want, table)
	}
	require.GreaterOrEqual(t, len(want), 2*2+1+2+1, "%s", h.console)
	block := h.opened().Block
	require.ElementsMatch(t, want, block.Interrupts)

	tables := handoff.InterruptMemory(block.Interrupts)
	require.Equal(t, h.machine.RAM().Bounds().End, tables.Bounds().End, "the tables are where a reservation would be")
	require.LessOrEqual(t, block.Reservation.End, tables.Bounds().Start)
	require.False(t, tables.Overlaps(block.Reservation))
	h.requireTrue(h.finish(), handoff.ReasonCall, "")
}
