package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
)

func TestUnescape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "OK": "OK", "a}\x03b": "a#b", "}]": "}", "0* ": "0000", "x*!y": "xxxxxy", "}": "}", "*": "*",
	} {
		require.Equal(t, want, unescape(in), "%q", in)
	}
}

func TestParseStop(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]stop{
		"T05thread:01;":           {signal: 5},
		"T05thread:p01.03;":       {signal: 5, cpu: 2},
		"T02thread:02;core:1;":    {signal: 2, cpu: 1},
		"S05":                     {signal: 5},
		"W55":                     {signal: 0x55, exited: true},
		"T05watch:1000;thread:0a": {signal: 5, cpu: 9},
	} {
		got, err := parseStop(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "OK", "T0", "Tzz", "T05thread:0;", "T05thread:x;"} {
		_, err := parseStop(in)
		require.Error(t, err, in)
	}
}

func FuzzParseStop(f *testing.F) {
	f.Add("T05thread:01;")
	f.Add("W55")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := parseStop(unescape(in))
		if err == nil {
			require.GreaterOrEqual(t, s.cpu, 0)
		}
	})
}

// stub is a GDB stub that answers from a table.
func stub(t *testing.T, answers map[string]string) *gdb {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { require.NoError(t, theirs.Close()) })
	t.Cleanup(func() { require.NoError(t, ours.Close()) })
	go func() {
		r := bufio.NewReader(theirs)
		for {
			if _, err := r.ReadString('$'); err != nil {
				return
			}
			packet, err := r.ReadString('#')
			if err != nil {
				return
			}
			if _, err := r.Discard(2); err != nil {
				return
			}
			answer := answers[strings.TrimSuffix(packet, "#")]
			if _, err := fmt.Fprintf(theirs, "+$%s#00", answer); err != nil {
				return
			}
		}
	}()
	return newGDB(ours)
}

func TestRegisterNumbers(t *testing.T) {
	t.Parallel()
	const first = `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>i386</architecture>`
	rest := fmt.Sprintf("qXfer:features:read:target.xml:%x,800", len(first))
	g := stub(t, map[string]string{
		"qXfer:features:read:target.xml:0,800": "m" + first,
		rest:                                   `l<xi:include href="core.xml"/><xi:include href="system.xml"/></target>`,
		"qXfer:features:read:core.xml:0,800":   `l<feature name="core"><reg name="rax" bitsize="64"/><reg name="eflags" bitsize="32"/></feature>`,
		"qXfer:features:read:system.xml:0,800": `l<feature name="system"><reg name="TTBR0_EL1" bitsize="64" regnum="100"/><reg name="next" bitsize="64"/></feature>`,
	})
	registers, err := g.registers()
	require.NoError(t, err)
	require.Equal(t, map[string]register{"rax": {0, 8}, "eflags": {1, 4}, "TTBR0_EL1": {100, 8}, "next": {101, 8}}, registers)
}

func TestStubErrors(t *testing.T) {
	t.Parallel()
	g := stub(t, map[string]string{"p0": "E14", "p1": "xyz", "P0=00": "", "Z1,0,1": "OK", "qXfer:features:read:target.xml:0,800": "E00"})
	_, err := g.readRegister(0)
	require.ErrorIs(t, err, errStub)
	_, err = g.readRegister(1)
	require.ErrorContains(t, err, "register 1")
	require.ErrorIs(t, g.writeRegister(0, []byte{0}), errStub)
	require.NoError(t, g.ok("Z1,0,1"))
	_, err = g.registers()
	require.ErrorIs(t, err, errStub)
	require.NoError(t, g.conn.Close())
	_, err = g.do("g")
	require.Error(t, err)
}

func TestQMP(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		r := bufio.NewReader(theirs)
		for _, answer := range []string{
			`{"QMP": {"version": {}}} {"return": {}}`,
			`{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}} {"return": "text"}`,
			`{"error": {"class": "GenericError", "desc": "no"}}`,
		} {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
			if _, err := theirs.Write([]byte(answer)); err != nil {
				return
			}
		}
		theirs.Close()
	}()
	events := newEvents(nil)
	q := newQMP(ours, events.take)
	require.NoError(t, q.do("qmp_capabilities", nil, nil))
	text, err := q.monitor("info registers", 0)
	require.NoError(t, err)
	require.Equal(t, "text", text)
	require.Equal(t, &machine.Exit{Reason: machine.Reset, Detail: "guest-reset"}, events.takeShutdown())
	require.Nil(t, events.takeShutdown())
	require.ErrorIs(t, q.do("quit", nil, nil), errQMP)
	require.Error(t, q.do("quit", nil, nil))
	require.False(t, errors.Is(q.do("quit", nil, nil), errQMP))
}

const monitorText = `
CPU#0
RAX=0000000000000000 RBX=0000000000006000 RCX=00000000c0000080 RDX=0000000000000000
RIP=0000000000107000 RFL=00000086 [--S--P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
ES =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]
SS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
DS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
FS =0018 0000400000001000 ffffffff 00cf9300 DPL=0 DS   [-WA]
GS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]
LDT=0000 0000000000000000 0000ffff 00008200 DPL=0 LDT
TR =0000 0000000000000000 0000ffff 00008b00 DPL=0 TSS64-busy
GDT=     0000000000106800 0000001f
IDT=     0000000000000000 00000000
CR0=80010033 CR2=0000000000000000 CR3=0000000000100000 CR4=00000620
DR0=0000000000001000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 
DR6=00000000ffff0ff0 DR7=0000000000000400
EFER=0000000000000d00
`

func TestParseMonitor(t *testing.T) {
	t.Parallel()
	var s machine.AMD64State
	require.NoError(t, parseMonitor(monitorText, &s))
	require.Equal(t, machine.Segment{Selector: 0x10, Limit: 0xffffffff, Access: 0xa09b}, s.CS)
	require.Equal(t, machine.Segment{Selector: 0x18, Base: 0x400000001000, Limit: 0xffffffff, Access: 0xc093}, s.FS)
	require.Equal(t, machine.DescriptorTable{Base: 0x106800, Limit: 0x1f}, s.GDTR)
	require.Equal(t, [4]uint64{0x1000}, s.DR)
	require.EqualValues(t, 0x400, s.DR7)
	require.Equal(t, machine.Waiting, s.Activity)
	for _, cut := range []string{"CS =", "GDT=", "DR7=", "TR ="} {
		require.Error(t, parseMonitor(strings.Replace(monitorText, cut, "none", 1), &s), cut)
	}
	require.Error(t, parseMonitor(strings.Replace(monitorText, "CS =0010", "CS =zz10", 1), &s))
}

func FuzzParseMonitor(f *testing.F) {
	f.Add(monitorText)
	f.Fuzz(func(t *testing.T, text string) {
		var s machine.AMD64State
		_ = parseMonitor(text, &s)
	})
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	for size, want := range map[uint64]string{
		64 << 20: "[0x0, 0xa0000) [0x100000, 0x4000000)",
		5 << 30:  "[0x0, 0xa0000) [0x100000, 0x80000000) [0x100000000, 0x1c0000000)",
	} {
		file, usable := layoutQ35(size)
		require.Equal(t, size, file.Size())
		require.Equal(t, strings.Fields(want), strings.Fields(strings.Trim(usable.String(), "{}")))
	}
}
