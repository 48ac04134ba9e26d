package rescuetest_test

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/imagebuild"
	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/rescue"
	"github.com/seed64aab995/rescuekernel/rescuetest"
)

// programs are the rescue programs, built once: each test of New's own way is a
// turn of the go command.
var programs = map[handoff.Architecture]func() ([]byte, error){
	handoff.AMD64: sync.OnceValues(func() ([]byte, error) { return build(handoff.AMD64) }),
	handoff.ARM64: sync.OnceValues(func() ([]byte, error) { return build(handoff.ARM64) }),
}

func build(a handoff.Architecture) ([]byte, error) {
	built, err := imagebuild.Cached(context.Background(), "", imagebuild.Options{Package: rescuetest.RescuePackage, Architecture: a})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(built.Image)
}

func newHost(t *testing.T, c rescuetest.Config) *rescuetest.Host {
	t.Helper()
	if c.Architecture == 0 {
		c.Architecture = handoff.AMD64
	}
	var err error
	c.Rescue, err = programs[c.Architecture]()
	require.NoError(t, err)
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip(rescuetest.ErrUnsupported)
	}
	h, err := rescuetest.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

func config(h *rescuetest.Host) rescue.Config {
	return rescue.Config{Platform: h, Image: h.Image(), Targets: h.Targets(), Devices: h.Device}
}

func arm(t *testing.T, c rescue.Config) *rescue.Armed {
	t.Helper()
	armed, err := rescue.Arm(c)
	require.NoError(t, err)
	return armed
}

func dump(t *testing.T, h *rescuetest.Host) *rescuetest.Dump {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	d, err := h.Rescue(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func write(t *testing.T, h *rescuetest.Host, at physmem.Address, p []byte) {
	t.Helper()
	memory, err := h.Memory()
	require.NoError(t, err)
	_, err = memory.WritePhysical(p, at)
	require.NoError(t, err)
}

func TestArmPanicDump(t *testing.T) {
	t.Parallel()
	for _, architecture := range []handoff.Architecture{handoff.AMD64, handoff.ARM64} {
		t.Run(architecture.String(), func(t *testing.T) {
			t.Parallel()
			h := newHost(t, rescuetest.Config{Architecture: architecture, Name: "anvil"})
			secret, err := h.Allocate(4096)
			require.NoError(t, err)
			c := config(h)
			c.Redact = physmem.NewRanges(secret)
			armed := arm(t, c)
			ledger, err := h.Allocate(3 * 4096)
			require.NoError(t, err)
			entries := bytes.Repeat([]byte("debit credit "), 900)
			write(t, h, ledger.Start, entries)
			write(t, h, secret.Start, []byte("password"))
			h.Log("ledger at %v\n", ledger)
			armed.Panic("the ledger is torn")

			d := dump(t, h)
			require.Equal(t, "the ledger is torn", d.Area.Message)
			require.Positive(t, d.Verified)
			require.Positive(t, d.Instructions)
			got := make([]byte, len(entries))
			_, err = d.ReadPhysical(got, ledger.Start)
			require.NoError(t, err)
			require.Equal(t, entries, got)
			_, err = d.ReadVirtual(got, h.Window(ledger.Start))
			require.NoError(t, err)
			require.Equal(t, entries, got)
			_, err = d.ReadPhysical(got[:8], secret.Start)
			require.ErrorIs(t, err, minidump.ErrRecordedHole)
			messages, err := d.MessageBuffer()
			require.NoError(t, err)
			require.Contains(t, string(messages.Text), "ledger at ")
			require.Contains(t, string(messages.Text), "panic: the ledger is torn")
			notes, err := d.Notes()
			require.NoError(t, err)
			require.Equal(t, "anvil", notes.HostName)
			require.NotEmpty(t, notes.FaultRecord)
			require.Len(t, notes.CPUs, 1)
		})
	}
}

// What an embedder's test wants to see fail, fails.
func TestNoHandOff(t *testing.T) {
	t.Parallel()
	h := newHost(t, rescuetest.Config{})
	_, err := h.Rescue(t.Context())
	require.ErrorIs(t, err, rescuetest.ErrNotPanicked)
	h.Panic("nothing is armed")
	_, err = h.Rescue(t.Context())
	require.ErrorIs(t, err, rescuetest.ErrRefused)

	h = newHost(t, rescuetest.Config{})
	armed := arm(t, config(h))
	require.NoError(t, armed.Disarm())
	require.ErrorIs(t, h.PanicWith(handoff.PanicContext{Reason: handoff.ReasonNMI}, "disarmed"), rescuetest.ErrRefused)

	h = newHost(t, rescuetest.Config{})
	armed = arm(t, config(h))
	at, err := h.VirtualAddress(armed.Reservation())
	require.NoError(t, err)
	flip(at + uintptr(armed.Reservation().Size()) - 1<<20) // in the image or its tables
	for offset := uintptr(0); offset < uintptr(armed.Reservation().Size()); offset += 4096 {
		flip(at + offset)
	}
	require.ErrorIs(t, h.PanicWith(handoff.PanicContext{Reason: handoff.ReasonKernelFault}, "scribbled"), rescuetest.ErrRefused)
}

func TestProtectedMemory(t *testing.T) {
	t.Parallel()
	h := newHost(t, rescuetest.Config{})
	armed := arm(t, config(h))
	memory, err := h.Memory()
	require.NoError(t, err)
	_, err = memory.WritePhysical([]byte{1}, armed.Reservation().Start)
	require.ErrorIs(t, err, rescuetest.ErrProtected)
	require.NoError(t, armed.Disarm())
	_, err = memory.WritePhysical([]byte{1}, armed.Reservation().Start)
	require.NoError(t, err)
}

func TestTooSmallDisk(t *testing.T) {
	t.Parallel()
	h := newHost(t, rescuetest.Config{DiskSize: 1 << 20})
	ledger, err := h.Allocate(8 << 20)
	require.NoError(t, err)
	write(t, h, ledger.Start, bytes.Repeat([]byte("x"), 8<<20))
	_, err = rescue.Arm(config(h))
	require.ErrorIs(t, err, rescue.ErrTarget)
}

// Notifiers of the test run at the panic, and one that panics is cut off.
func TestNotifiers(t *testing.T) {
	t.Parallel()
	h := newHost(t, rescuetest.Config{})
	c := config(h)
	c.Notifiers = []rescue.Notifier{
		{Name: "hello", List: handoff.ListHypervisor, Run: hello},
		{Name: "broken", List: handoff.ListHypervisor, Run: func(*handoff.Notice) { panic("broken") }},
	}
	armed := arm(t, c)
	armed.Panic("with notifiers")
	d := dump(t, h)
	messages, err := d.MessageBuffer()
	require.NoError(t, err)
	require.Contains(t, string(messages.Text), "hello from a notifier")
	outcomes := map[string]handoff.Outcome{}
	for _, n := range d.Area.Notifiers {
		outcomes[n.Name] = n.Outcome
	}
	require.Equal(t, handoff.OutcomeDone, outcomes["hello"])
	require.Equal(t, handoff.OutcomeFaulted, outcomes["broken"])
}

// A host that boots again in the same RAM finds the record of the panic.
func TestRecordsAfterWarmReset(t *testing.T) {
	t.Parallel()
	h := newHost(t, rescuetest.Config{})
	armed := arm(t, config(h))
	armed.Panic("before the reset")
	d := dump(t, h)

	next := newHost(t, rescuetest.Config{Memory: d.Memory})
	armed = arm(t, config(next))
	contents, err := armed.Records().Contents()
	require.NoError(t, err)
	var messages []string
	for i := range contents.Records {
		r, err := record.Decode(contents.Records[i].Data)
		require.NoError(t, err)
		messages = append(messages, r.Message)
	}
	require.Contains(t, messages, "before the reset")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]rescuetest.Config{
		"architecture": {Architecture: handoff.Architecture(3)},
		"odd memory":   {MemorySize: 16<<20 + 1},
		"no memory":    {MemorySize: 1 << 20},
		"no disk":      {DiskSize: -1},
		"not a source": {Source: t.TempDir()},
	} {
		_, err := rescuetest.New(c)
		require.Error(t, err, name)
	}
	h := newHost(t, rescuetest.Config{})
	_, err := h.Allocate(1 << 40)
	require.Error(t, err)
	_, err = h.Device(handoff.Target{Kind: handoff.TargetBlock})
	require.Error(t, err)
	for _, r := range []physmem.Range{{}, {Start: 1, End: 4097}, {Start: 1 << 40, End: 1<<40 + 4096}} {
		require.Error(t, h.Reserve(r))
		require.Error(t, h.Release(r))
		require.Error(t, h.Protect(r, true))
		require.Error(t, h.MapIdentity(r, true))
		require.Error(t, h.UnmapIdentity(r))
	}
}
