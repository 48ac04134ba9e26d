package acpi_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/acpi"
	"github.com/seed64aab995/rescuekernel/physmem"
)

var order = binary.LittleEndian

// finish makes the checksum at an offset right.
func finish(data []byte, at int) []byte {
	data[at] = 0
	var sum byte
	for _, b := range data {
		sum += b
	}
	data[at] = -sum
	return data
}

// table makes a table of header and body.
func table(signature string, revision byte, body ...byte) []byte {
	data := make([]byte, acpi.HeaderSize, acpi.HeaderSize+len(body))
	copy(data, signature)
	data[8] = revision
	copy(data[10:], "BOCHS BXPC    ")
	data = append(data, body...)
	order.PutUint32(data[4:], uint32(len(data)))
	return finish(data, 9)
}

// fields makes bytes of numbers of 8, 16, 32 and 64 bits.
func fields(values ...any) (b []byte) {
	for _, v := range values {
		b, _ = binary.Append(b, order, v)
	}
	return b
}

func rsdp(revision byte, rsdt uint32, xsdt uint64) []byte {
	data := append([]byte("RSD PTR \x00BOCHS "), revision)
	data = append(data, fields(rsdt, uint32(36), xsdt, uint32(0))...)
	return finish(finish(data[:20:20], 8), 8)[:20:20]
}

// newRSDP is rsdp with the second part, whose checksum is over all.
func newRSDP(rsdt uint32, xsdt uint64) []byte {
	data := append(rsdp(2, rsdt, xsdt), fields(uint32(36), xsdt, uint32(0))...)
	return finish(data, 32)
}

// The tables of a machine much as QEMU's virt has them.
func mcfg() []byte {
	return table("MCFG", 1, fields(uint64(0), uint64(0x40_1000_0000), uint16(0), byte(0), byte(255), uint32(0),
		uint64(0x50_0000_0000), uint16(3), byte(0x10), byte(0x1f), uint32(0))...)
}

func spcr() []byte {
	body := fields(byte(3), byte(0), uint16(0), byte(0), byte(32), byte(0), byte(3), uint64(0x900_0000), byte(8), byte(0), uint32(33), byte(3))
	return table("SPCR", 2, append(body, make([]byte, 80-36-len(body))...)...)
}

func madt() []byte {
	body := fields(uint32(0), uint32(0))
	for cpu := range uint64(2) {
		body = append(body, fields(byte(0xb), byte(80), uint16(0), uint32(cpu), uint32(cpu), uint32(1), uint32(0), uint32(23),
			uint64(0), uint64(0x801_0000), uint64(0x804_0000), uint64(0x803_0000), uint32(25), uint64(0), cpu<<8, uint32(0))...)
	}
	body = append(body, fields(byte(0xc), byte(24), uint16(0), uint32(0), uint64(0x800_0000), uint32(0), byte(3), byte(0), uint16(0))...)
	body = append(body, fields(byte(0xe), byte(16), uint16(0), uint64(0x80a_0000), uint32(0xf6_0000))...)
	body = append(body, fields(byte(0xf), byte(20), uint16(0), uint32(0), uint64(0x808_0000), uint32(0))...)
	return table("APIC", 4, append(body, 0x77, 3, 9)...) // and one that nobody knows
}

func fadt(boot uint16) []byte {
	body := make([]byte, 268-36)
	order.PutUint32(body[40-36:], 0x1234)
	order.PutUint32(body[112-36:], 1<<20)
	order.PutUint16(body[129-36:], boot)
	body[131-36] = 5
	order.PutUint64(body[140-36:], 0x5_0000_0000)
	return table("FACP", 6, body...)
}

func gtdt() []byte {
	body := make([]byte, 96-36)
	for i, interrupt := range []uint32{29, 30, 27, 26} {
		order.PutUint32(body[48-36+8*i:], interrupt)
	}
	return table("GTDT", 2, body...)
}

// machine puts tables into memory, and the list and the root pointer before them.
func machine(t testing.TB, revision byte, tables ...[]byte) *physmem.Bytes {
	t.Helper()
	memory := make([]byte, 0x8000)
	var list []byte
	at := 0x1004 // firmware aligns tables as it likes
	for _, one := range tables {
		if revision >= 2 {
			list = order.AppendUint64(list, uint64(0x10_0000+at))
		} else {
			list = order.AppendUint32(list, uint32(0x10_0000+at))
		}
		at += copy(memory[at:], one) + 4
	}
	if revision >= 2 {
		copy(memory[0x800:], table("XSDT", 1, list...))
		copy(memory, newRSDP(0x1, 0x10_0800))
	} else {
		copy(memory[0x800:], table("RSDT", 1, list...))
		copy(memory, rsdp(0, 0x10_0800, 0))
	}
	return physmem.NewBytes(0x10_0000, memory)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	broken := spcr()
	broken[20]++
	for _, revision := range []byte{0, 2} {
		tables, err := acpi.Open(machine(t, revision, fadt(3), madt(), gtdt(), mcfg(), broken, make([]byte, 60)), 0x10_0000)
		require.NoError(t, err)
		require.Equal(t, "BOCHS", tables.RSDP.OEM)
		require.Len(t, tables.List, 5)
		require.Len(t, tables.Problems, 1)
		require.ErrorIs(t, tables.Problems[0], acpi.ErrSize)
		require.Equal(t, "MCFG", tables.List[3].Signature)
		require.Equal(t, "BXPC", tables.List[3].OEMTable)

		mcfg, err := tables.Table("MCFG")
		require.NoError(t, err)
		spaces, err := acpi.ParseMCFG(mcfg)
		require.NoError(t, err)
		require.Equal(t, []acpi.ConfigurationSpace{
			{Base: 0x40_1000_0000, LastBus: 255}, {Base: 0x50_0000_0000, Segment: 3, FirstBus: 0x10, LastBus: 0x1f},
		}, spaces)
		require.Equal(t, physmem.Range{Start: 0x50_0100_0000, End: 0x50_0200_0000}, spaces[1].Range())

		_, err = tables.Table("SPCR")
		require.ErrorIs(t, err, acpi.ErrChecksum)
		_, err = tables.Table("HPET")
		require.ErrorIs(t, err, acpi.ErrNoTable)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	good := machine(t, 2, mcfg())
	for name, test := range map[string]struct {
		change func(p []byte)
		want   error
	}{
		"no root pointer":      {func(p []byte) { p[0] = 'X' }, acpi.ErrSignature},
		"first checksum":       {func(p []byte) { p[10]++ }, acpi.ErrChecksum},
		"second checksum":      {func(p []byte) { p[34]++ }, acpi.ErrChecksum},
		"another list":         {func(p []byte) { p[0x800] = 'R'; finish(p[0x800:][:44], 9) }, acpi.ErrSignature},
		"list's checksum":      {func(p []byte) { p[0x810]++ }, acpi.ErrChecksum},
		"list too long":        {func(p []byte) { order.PutUint32(p[0x804:], 1<<30) }, acpi.ErrSize},
		"list beyond memory":   {func(p []byte) { order.PutUint32(p[0x804:], 0x9000) }, physmem.ErrOutside},
		"length of the header": {func(p []byte) { order.PutUint32(p[0x804:], 35) }, acpi.ErrSize},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := make([]byte, 0x8000)
			_, err := good.ReadPhysical(data, 0x10_0000)
			require.NoError(t, err)
			test.change(data)
			_, err = acpi.Open(physmem.NewBytes(0x10_0000, data), 0x10_0000)
			require.ErrorIs(t, err, test.want)
		})
	}
	_, err := acpi.Open(good, 0x20_0000)
	require.ErrorIs(t, err, physmem.ErrOutside)
	many := table("XSDT", 1, make([]byte, 8*(acpi.MaxTables+1))...)
	memory := make([]byte, 0x2000)
	copy(memory, newRSDP(0, 0x100))
	copy(memory[0x100:], many)
	_, err = acpi.Open(physmem.NewBytes(0, memory), 0)
	require.ErrorIs(t, err, acpi.ErrSize)
}

// parse parses a table that is right.
func parse(t testing.TB, data []byte) acpi.Table {
	t.Helper()
	parsed, err := acpi.ParseTable(data)
	require.NoError(t, err)
	return parsed
}

func TestTables(t *testing.T) {
	t.Parallel()
	console, err := acpi.ParseSPCR(parse(t, spcr()))
	require.NoError(t, err)
	require.True(t, console.IsPL011())
	require.Equal(t, acpi.Console{Type: acpi.SerialPL011, BaudRate: 3, Address: acpi.Address{BitWidth: 32, Access: 3, Address: 0x900_0000}}, console)

	fixed, err := acpi.ParseFADT(parse(t, fadt(1)))
	require.NoError(t, err)
	require.Equal(t, acpi.FADT{Major: 6, Minor: 5, Flags: acpi.FlagHardwareReduced, PSCI: true, DSDT: 0x5_0000_0000}, fixed)

	timers, err := acpi.ParseGTDT(parse(t, gtdt()))
	require.NoError(t, err)
	require.Equal(t, acpi.Timers{SecureEL1: 29, NonSecureEL1: 30, VirtualEL1: 27, NonSecureEL2: 26}, timers)

	m, err := acpi.ParseMADT(parse(t, madt()))
	require.NoError(t, err)
	require.Equal(t, &acpi.GIC{
		Version: 3, Distributor: 0x800_0000, ITS: []physmem.Address{0x808_0000},
		Redistributors: []physmem.Range{{Start: 0x80a_0000, End: 0x80a_0000 + 0xf6_0000}},
	}, m.GIC)
	require.Equal(t, acpi.CPU{UID: 1, ID: 0x100, Enabled: true, Interface: 0x801_0000}, m.CPUs[1])
}

func TestMADTOfPC(t *testing.T) {
	t.Parallel()
	body := fields(uint32(0xfee0_0000), uint32(1),
		byte(0), byte(8), byte(0), byte(7), uint32(1), // local APIC 7
		byte(9), byte(16), uint16(0), uint32(0x123), uint32(0), uint32(5), // x2APIC 0x123, off
		byte(1), byte(12), byte(2), byte(0), uint32(0xfec0_0000), uint32(24),
		byte(5), byte(12), uint16(0), uint64(0xfed0_0000))
	m, err := acpi.ParseMADT(parse(t, table("APIC", 1, body...)))
	require.NoError(t, err)
	require.Equal(t, &acpi.MADT{
		LocalAPIC: 0xfed0_0000,
		CPUs:      []acpi.CPU{{ID: 7, Enabled: true}, {UID: 5, ID: 0x123, X2APIC: true}},
		IOAPICs:   []acpi.IOAPIC{{ID: 2, Address: 0xfec0_0000, First: 24}},
	}, m)
}

func TestTablesRefused(t *testing.T) {
	t.Parallel()
	short := func(signature string) acpi.Table { return parse(t, table(signature, 1)) }
	refused := func(want error, err error) {
		t.Helper()
		require.ErrorIs(t, err, want)
		var typed *acpi.TableError
		require.ErrorAs(t, err, &typed)
	}
	_, err := acpi.ParseMCFG(short("MCFG"))
	refused(acpi.ErrSize, err)
	_, err = acpi.ParseMCFG(parse(t, spcr()))
	refused(acpi.ErrSignature, err)
	_, err = acpi.ParseMCFG(parse(t, table("MCFG", 1, fields(uint64(0), uint64(1<<40), uint16(0), byte(9), byte(8), uint32(0))...)))
	refused(acpi.ErrValue, err)
	_, err = acpi.ParseSPCR(short("SPCR"))
	refused(acpi.ErrSize, err)
	_, err = acpi.ParseFADT(short("FACP"))
	refused(acpi.ErrSize, err)
	_, err = acpi.ParseGTDT(short("GTDT"))
	refused(acpi.ErrSize, err)
	for signature, least := range map[string]int{"MCFG": 44, "SPCR": 80, "FACP": 116, "GTDT": 80, "APIC": 44} {
		for size := 36; size < least; size++ {
			cut := parse(t, table(signature, 1, make([]byte, size-36)...))
			_, err = map[string]func() (any, error){
				"MCFG": func() (any, error) { return acpi.ParseMCFG(cut) }, "SPCR": func() (any, error) { return acpi.ParseSPCR(cut) },
				"FACP": func() (any, error) { return acpi.ParseFADT(cut) }, "GTDT": func() (any, error) { return acpi.ParseGTDT(cut) },
				"APIC": func() (any, error) { return acpi.ParseMADT(cut) },
			}[signature]()
			refused(acpi.ErrSize, err)
		}
	}
	for _, entry := range [][]byte{{0}, {0, 1}, {0, 9}, {0xb, 8, 0, 0, 0, 0, 0, 0}} {
		_, err = acpi.ParseMADT(parse(t, table("APIC", 1, append(make([]byte, 8), entry...)...)))
		refused(acpi.ErrSize, err)
	}
	_, err = acpi.ParseMADT(parse(t, table("APIC", 1, append(make([]byte, 8), fields(byte(0xe), byte(16), uint16(0), ^uint64(0), uint32(2))...)...)))
	refused(acpi.ErrValue, err)
	_, err = acpi.ParseTable([]byte("FACP"))
	refused(acpi.ErrSize, err)
}

// Whatever memory holds, nothing but errors comes of it.
func FuzzOpen(f *testing.F) {
	for _, revision := range []byte{0, 2} {
		data := make([]byte, 0x2000)
		_, err := machine(f, revision, fadt(3), madt(), gtdt(), mcfg(), spcr()).ReadPhysical(data, 0x10_0000)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tables, err := acpi.Open(physmem.NewBytes(0x10_0000, data), 0x10_0000)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(tables.List), acpi.MaxTables)
		for _, header := range tables.List {
			parseAny(t, func() (acpi.Table, error) { return tables.Table(header.Signature) })
		}
	})
}

// A body with a right header is looked at as every kind of table.
func FuzzTables(f *testing.F) {
	for _, seed := range [][]byte{fadt(3), madt(), gtdt(), mcfg(), spcr()} {
		f.Add(seed[acpi.HeaderSize:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > acpi.MaxTable-acpi.HeaderSize {
			return
		}
		for _, signature := range []string{"FACP", "APIC", "GTDT", "MCFG", "SPCR"} {
			parseAny(t, func() (acpi.Table, error) { return acpi.ParseTable(table(signature, 1, body...)) })
		}
	})
}

func parseAny(t *testing.T, get func() (acpi.Table, error)) {
	parsed, err := get()
	if err != nil {
		return
	}
	require.Len(t, parsed.Data, parsed.Length)
	_, _ = acpi.ParseSPCR(parsed)
	_, _ = acpi.ParseFADT(parsed)
	_, _ = acpi.ParseGTDT(parsed)
	_, _ = acpi.ParseMADT(parsed)
	if spaces, err := acpi.ParseMCFG(parsed); err == nil {
		for _, s := range spaces {
			require.False(t, s.Range().IsEmpty())
		}
	}
}
