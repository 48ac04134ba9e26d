package arm64_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// The program that accesses all system registers: where it has its vectors and
// its log, an ESR of each access.
const (
	encodingsVectors = 0x40300000
	encodingsLog     = 0x40400000
)

// access is one of the program's, and what it is of.
type access struct {
	name string
	word uint32
}

// accesses read every system register of the tables and write back what was
// read, and execute every system instruction, with X0. With el2 all come once
// more with HCR_EL2.E2H and TGE set.
func accesses(el2 bool) (all []access) {
	for _, e := range arm64.SystemEncodings() {
		field := uint32(e.Key) << 5
		if e.Key>>14 == 1 {
			all = append(all, access{e.Name, 0xd5000000 | field})
			continue
		}
		all = append(all, access{"MRS " + e.Name, 0xd5200000 | field})
		if _, dangerous := notWritten[e.Name]; !dangerous {
			all = append(all, access{"MSR " + e.Name, 0xd5000000 | field})
		}
	}
	if el2 {
		first := all
		all = append(all, access{"MSR HCR_EL2", 0xd51c1103}) // X3
		for _, a := range first {
			all = append(all, access{a.name + hostSuffix, a.word})
		}
	}
	return all
}

// hostSuffix is behind the names of accesses with HCR_EL2.E2H and TGE set.
const hostSuffix = ", host"

// notWritten are the registers that the program needs, or that end it.
var notWritten = map[string]string{"HCR_EL2": "set by hand", "OSDLR_EL1": "the double lock stops debugging"}

// encodingsProgram makes the program, which is at EL1 or EL2, and its vectors.
func encodingsProgram(el2 bool) (code, vectors []byte) {
	emit := func(b *[]byte, words ...uint32) {
		for _, w := range words {
			*b = binary.LittleEndian.AppendUint32(*b, w)
		}
	}
	vbar, esr, elr, call := uint32(0xd518c000), uint32(0xd5385200), uint32(0xd5384020), uint32(0xd4000002)
	if el2 {
		vbar, esr, elr, call = 0xd51cc000, 0xd53c5200, 0xd53c4020, 0xd4000003
	}
	emit(&code, 0xd2a80601, vbar|1, 0xd2a80815) // MOV X1, #encodingsVectors; MSR VBAR_ELx, X1; MOV X21, #encodingsLog
	emit(&code, 0xd2b10003, 0xf2c00083)         // MOV X3, #RW, TGE and E2H of HCR_EL2
	for _, a := range accesses(el2) {
		emit(&code, 0xd2800014, a.word, 0xd5033f9f, 0xd5033fdf, 0xf80086b4) // MOV X20, #0; it; DSB; ISB; STR X20, [X21], #8
		if a.word&0x00200000 == 0 {
			emit(&code, 0xd2800000) // MOV X0, #0
		}
	}
	emit(&code, 0xd2800100, 0xf2b08000, call, 0x14000000) // PSCI SYSTEM_OFF
	vectors = make([]byte, 0x800)
	handler := []byte{}
	emit(&handler, esr|20, elr|22, 0x910012d6, elr&^0x200000|22, 0xd69f03e0) // X22 += 4; ERET
	for at := 0; at < len(vectors); at += 0x80 {
		copy(vectors[at:], handler)
	}
	return code, vectors
}

func (a access) String() string { return fmt.Sprintf("%s (%08x)", a.name, a.word) }

// knownAccesses are those in which QEMU 7.2 is not as the architecture says, or
// its CPU "max" is not our Max, by parts of their names.
var knownAccesses = map[string]string{
	"DC ZVA":   "Device memory is not checked for alignment",
	" DBGPRCR": "is not there", " DBGCLAIM": "is not there", " DBGAUTHSTATUS": "is not there",
	" SSBS": "Max has no FEAT_SSBS",
	"_EL12": "is there without HCR_EL2.E2H", "_EL02_": "is trapped without HCR_EL2.E2H, not UNDEFINED",
}

// known gives the reason for a difference.
func (a access) known() (reason string) {
	for part, why := range knownAccesses {
		withHost := strings.HasSuffix(a.name, hostSuffix)
		if strings.Contains(a.name, part) && !(withHost && strings.Contains(why, "E2H")) {
			reason = why
		}
	}
	return reason
}

// TestSystemEncodings accesses every system register and executes every system
// instruction of the tables, at EL1, at EL2 and there with VHE, here and on QEMU:
// what is UNDEFINED, or trapped, is so on both.
func TestSystemEncodings(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]qemu.Options{
		"EL1": {Architecture: machine.ARM64, CPU: "cortex-a57"},
		"EL2": {Architecture: machine.ARM64, CPU: "max", Board: "virt,virtualization=on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			el2 := name == "EL2"
			code, vectors := encodingsProgram(el2)
			image := make([]byte, encodingsVectors-machinetest.ARM64Entry+0x800)
			copy(image, code)
			copy(image[encodingsVectors-machinetest.ARM64Entry:], vectors)
			image = machinetest.ARM64Image(image)
			got := emulateEncodings(t, systemConfigs[name], image)
			m, err := options.New(machine.Config{Boot: machine.Boot{Image: image}})
			if errors.Is(err, machine.ErrUnavailable) {
				t.Skip(err)
			}
			require.NoError(t, err)
			defer m.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			exit, err := m.Run(ctx)
			require.NoError(t, err)
			require.Equal(t, machine.PoweredOff, exit.Reason, "%v", exit)
			want := m.Memory()
			for i, a := range accesses(el2) {
				here, there := encodingESR(t, got, i), encodingESR(t, want, i)
				if here != there && a.known() == "" {
					t.Errorf("%v: ESR %#x, not %#x", a, here, there)
				}
			}
		})
	}
}

func encodingESR(t *testing.T, memory physmem.Reader, i int) uint64 {
	t.Helper()
	b := make([]byte, 8)
	_, err := memory.ReadPhysical(b, encodingsLog+physmem.Address(8*i))
	require.NoError(t, err)
	return binary.LittleEndian.Uint64(b)
}

func emulateEncodings(t *testing.T, config arm64.Config, image []byte) physmem.Reader {
	t.Helper()
	memory := emulator.NewMemory(physmem.NewRanges(physmem.Range{Start: 0x40000000, End: 0x44000000}))
	_, err := memory.WritePhysical(image, 0x40200000)
	require.NoError(t, err)
	config.Firmware = func(c *arm64.CPU, _ arm64.Conduit) (bool, *machine.Exit) {
		return true, &machine.Exit{Reason: machine.PoweredOff}
	}
	c := arm64.New(0, memory, config)
	c.PowerOn(machinetest.ARM64Entry, 0)
	m := emulator.NewMachine(c)
	for range 100 {
		if exit := m.Round(); exit != nil {
			require.Equal(t, machine.PoweredOff, exit.Reason, exit.Detail)
			return memory
		}
	}
	require.FailNow(t, "the program does not end", "at %#x", c.PC())
	return nil
}
