//go:build amd64 || arm64

package kernel

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
)

// acpiTable1 makes a table of header and body.
func acpiTable1(signature string, body []byte) []byte {
	data := append(make([]byte, acpiHeader), body...)
	copy(data, signature)
	binary.LittleEndian.PutUint32(data[acpiLength:], uint32(len(data)))
	var sum byte
	for _, b := range data {
		sum += b
	}
	data[9] = -sum
	return data
}

func numbers(values ...any) (b []byte) {
	for _, v := range values {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return b
}

// acpiTables is what ArmVirt makes for QEMU's virt with a GICv3 and two CPUs, as
// far as it is read, from efiTestTables on: the root pointer, the list, tables.
func acpiTables() []byte {
	fadt := make([]byte, 268-acpiHeader)
	fadt[fadtArmBoot-acpiHeader] = armPSCI | armHVC
	spcr := make([]byte, 80-acpiHeader)
	spcr[0] = 3
	binary.LittleEndian.PutUint64(spcr[spcrAddress-acpiHeader:], 0x900_0000)
	gtdt := make([]byte, 96-acpiHeader)
	binary.LittleEndian.PutUint32(gtdt[gtdtVirtual-acpiHeader:], 27)
	madt := make([]byte, 8)
	for cpu := range uint64(3) {
		madt = append(madt, numbers(byte(0xb), byte(80), uint16(0), uint32(cpu), uint32(cpu), uint32(1-cpu/2), uint32(0), uint32(23),
			uint64(0), uint64(0x801_0000), uint64(0), uint64(0), uint32(25), uint64(0), cpu, uint32(0))...)
	}
	madt = append(madt, numbers(byte(0xc), byte(24), uint16(0), uint32(0), uint64(0x800_0000), uint32(0), byte(3), byte(0), uint16(0))...)
	madt = append(madt, numbers(byte(0xe), byte(16), uint16(0), uint64(0x80a_0000), uint32(0xf6_0000))...)
	madt = append(madt, numbers(byte(0xf), byte(20), uint16(0), uint32(0), uint64(0x808_0000), uint32(0))...)

	memory := make([]byte, 0x1000)
	at := 0x200
	var list []byte
	for _, table := range [][]byte{acpiTable1("FACP", fadt), acpiTable1("APIC", madt), acpiTable1("GTDT", gtdt), acpiTable1("SPCR", spcr)} {
		list = binary.LittleEndian.AppendUint64(list, uint64(efiTestTables+at))
		at += copy(memory[at:], table)
	}
	copy(memory[0x40:], acpiTable1("XSDT", list))
	copy(memory, "RSD PTR ")
	memory[rsdpRevision] = 2
	binary.LittleEndian.PutUint64(memory[rsdpXSDT:], efiTestTables+0x40)
	return memory
}

func TestGatherACPI(t *testing.T) {
	t.Parallel()
	e := newEFIBoot()
	copy(e.memory[efiTestTables:], acpiTables())
	e.tables = [][3]uint64{{acpi20Low, acpi20High, efiTestTables}}
	b := e.gather()
	require.Equal(t, handoff.FirmwareCalls{Console: 0x900_0000, Conduit: handoff.ConduitHVC}, b.calls)
	require.Equal(t, gicFacts{
		version: 3, distributor: 0x800_0000, cpuInterface: 0x801_0000, redistributor: 0x80a_0000, redistributorSize: 0xf6_0000,
		its: 0x808_0000, timer: 27,
	}, b.gic)
	require.EqualValues(t, 2, b.cpus.count, "of three, one is off")

	// A table that is broken, or in no memory, is as if it were not there.
	for at := 0x200; at < 0x200+268; at += 37 {
		e.memory[efiTestTables+at]++
		require.Equal(t, handoff.ConduitNone, e.gather().calls.Conduit, "byte %#x", at)
		e.memory[efiTestTables+at]--
	}
	e.list[2].attribute = 0
	require.Zero(t, e.gather().calls)
}
