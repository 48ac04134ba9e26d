package arm64_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/emulator/arm64"
	machdep "github.com/seed64aab995/rescuekernel/machdep/arm64"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/machine/qemu"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// systemProgram is testdata/system.s, to lie at systemBase.
//
//go:embed testdata/system.bin
var systemProgram []byte

const (
	systemBase = 0x40201000
	systemLog  = 0x40400000
	logSize    = 64 << 10
	branch4032 = 0x140003f0 // from behind the Image's header to systemBase
)

// systemImage wraps the program as an Image.
func systemImage() []byte {
	code := make([]byte, systemBase-machinetest.ARM64Entry)
	binary.LittleEndian.PutUint32(code, branch4032)
	return machinetest.ARM64Image(append(code, systemProgram...))
}

// logEntry is what testdata/system.s notes of an exception, or of itself.
type logEntry struct {
	Vector, ESR, ELR, FAR, SPSR, Level uint64
	Step, Value                        uint64
}

func (e logEntry) String() string {
	return fmt.Sprintf("step %d/%#x: vector %d esr %#x elr %#x far %#x spsr %#x level %d", e.Step, e.Value, int64(e.Vector), e.ESR, e.ELR, e.FAR, e.SPSR, e.Level>>2)
}

// comparable takes out of an entry what CPUs with other features have: SSBS, DIT
// and the like in SPSR.
func (e logEntry) comparable() logEntry {
	if e.Step >= 500 && e.Step <= 740 { // follows from the faults of DC, and from step 703
		e.FAR = 0
	}
	if e.Level == 8 && e.ESR>>26 == uint64(machdep.ClassDataCurrent) {
		e.ESR &^= 0x7ff << 14 // QEMU sets ISV, which is for stage 2
	}
	e.SPSR &= 0xf<<28 | 1<<23 | 1<<22 | 1<<21 | 1<<20 | 0x3df
	return e
}

func readLog(t *testing.T, memory physmem.Reader) (list []logEntry) {
	t.Helper()
	b := make([]byte, logSize)
	_, err := memory.ReadPhysical(b, systemLog)
	require.NoError(t, err)
	for len(b) >= 64 {
		var e logEntry
		require.NoError(t, binary.Read(bytes.NewReader(b), binary.LittleEndian, &e))
		if e == (logEntry{}) {
			break
		}
		list = append(list, e)
		b = b[64:]
	}
	return list
}

// emulateSystem runs the program here.
func emulateSystem(t *testing.T, config arm64.Config, caches *arm64.CachePolicy) []logEntry {
	t.Helper()
	memory := emulator.NewMemory(physmem.NewRanges(physmem.Range{Start: 0x40000000, End: 0x44000000}))
	_, err := memory.WritePhysical(systemImage(), 0x40200000)
	require.NoError(t, err)
	if caches != nil {
		config.Caches = arm64.NewCaches(memory, *caches)
	}
	config.Firmware = func(c *arm64.CPU, _ arm64.Conduit) (bool, *machine.Exit) {
		return true, &machine.Exit{Reason: machine.PoweredOff}
	}
	c := arm64.New(0, memory, config)
	c.PowerOn(machinetest.ARM64Entry, 0)
	m := emulator.NewMachine(c)
	for range 100 {
		if exit := m.Round(); exit != nil {
			require.Equal(t, machine.PoweredOff, exit.Reason, exit.Detail)
			if config.Caches != nil {
				config.Caches.Flush()
			}
			return readLog(t, memory)
		}
	}
	list := readLog(t, memory)
	require.FailNow(t, "the program does not end", "at %#x, after %v", c.PC(), list[:min(len(list), 90)])
	return nil
}

// systemConfigs are the CPUs that the program runs on.
var systemConfigs = map[string]arm64.Config{"EL1": {}, "EL2": {Model: arm64.Max, EL2: true}}

// TestSystemProgram runs the program as caches and barriers are modelled and not,
// block by block and step by step: the log is always what it was when it was
// compared with QEMU's.
func TestSystemProgram(t *testing.T) {
	t.Parallel()
	for name, config := range systemConfigs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want strings.Builder
			for _, e := range emulateSystem(t, config, nil) {
				fmt.Fprintln(&want, e)
			}
			golden := filepath.Join("testdata", "system-"+name+".txt")
			if os.Getenv("RESCUE_UPDATE") != "" {
				require.NoError(t, os.WriteFile(golden, []byte(want.String()), 0o644))
			}
			known, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(known), want.String())
			keep, evict := arm64.KeepLines, arm64.EvictLines
			for _, caches := range []*arm64.CachePolicy{nil, &keep, &evict} {
				config.Delayed = true
				var got strings.Builder
				for _, e := range emulateSystem(t, config, caches) {
					fmt.Fprintln(&got, e)
				}
				require.Equal(t, want.String(), got.String())
			}
		})
	}
}

// TestSystemLikeQEMU runs one program of exceptions, translations and traps here
// and on QEMU, and compares what it saw.
func TestSystemLikeQEMU(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]qemu.Options{
		"EL1": {Architecture: machine.ARM64, CPU: "cortex-a57"},
		"EL2": {Architecture: machine.ARM64, CPU: "max", Board: "virt,virtualization=on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := emulateSystem(t, systemConfigs[name], nil)
			m, err := options.New(machine.Config{Boot: machine.Boot{Image: systemImage()}})
			if errors.Is(err, machine.ErrUnavailable) {
				t.Skip(err)
			}
			require.NoError(t, err)
			defer m.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			exit, err := m.Run(ctx)
			require.NoError(t, err)
			want := readLog(t, m.Memory())
			require.Equal(t, machine.PoweredOff, exit.Reason, "%v; last %v", exit, want[max(len(want), 1)-1:])
			compareLogs(t, got, want)
		})
	}
}

// knownDifferences are the steps in which QEMU 7.2 is not as the architecture
// says.
var knownDifferences = map[uint64]string{
	10: "Device memory is not checked for alignment", 11: "likewise", 14: "likewise", 320: "likewise", 321: "likewise", 330: "likewise", 703: "likewise",
	311: "PAR_EL1.SH of memory that is not cacheable is as in the entry", 312: "likewise", 313: "likewise", 314: "likewise",
	326: "DC and IC by address do not translate", 327: "likewise", 328: "likewise",
	15: "SCTLR_EL1.SA is not there", 16: "likewise", 17: "follows from it",
}

// differentAtEL0 are entries of the steps at EL0 that are not as the architecture
// says: MSR DAIFSet, whose syndrome has op1 and op2 exchanged, and DC by address,
// which does not translate.
func differentAtEL0(e logEntry) bool {
	return e.Step == 400 && e.Value == 9 || e.Step == 500 && (e.Value == 0x14 || e.Value == 0x15)
}

// compareLogs tells of every step that differs.
func compareLogs(t *testing.T, got, want []logEntry) {
	t.Helper()
	steps := func(list []logEntry) (order []uint64, by map[uint64][]logEntry) {
		by = map[uint64][]logEntry{}
		for _, e := range list {
			if by[e.Step] == nil {
				order = append(order, e.Step)
			}
			if !differentAtEL0(e) {
				by[e.Step] = append(by[e.Step], e.comparable())
			}
		}
		return order, by
	}
	order, here := steps(got)
	theirs, there := steps(want)
	require.Equal(t, theirs[len(theirs)-1], order[len(order)-1], "where the program ended")
	for _, step := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(order, theirs)))) {
		if _, known := knownDifferences[step]; !known && !slices.Equal(here[step], there[step]) {
			t.Errorf("step %d:\n here %v\n QEMU %v", step, here[step], there[step])
		}
	}
}
