package rescue

import (
	"errors"
	"io"
	"time"

	"github.com/seed64aab995/rescuekernel/handoff"
	"github.com/seed64aab995/rescuekernel/physmem"
	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/reserve"
)

var (
	// ErrConfig says that a Config cannot be: something required is missing.
	ErrConfig = errors.New("bad configuration")

	// ErrHost says that a host cannot be rescued: its CPU or its page tables
	// are not what the hand-off needs.
	ErrHost = errors.New("host cannot be rescued")

	// ErrDisarmed says that an Armed is not in force any more.
	ErrDisarmed = errors.New("disarmed")
)

// Config says how to arm. Platform and Image are required; the zero value of
// every other field is a good choice.
type Config struct {
	Platform Platform

	// Image is the rescue program, as `rescue build` made it.
	Image io.ReaderAt
	// ImageRange is the memory that the host keeps Image in (a boot module).
	// If it is not empty it is given back to the host after arming.
	ImageRange physmem.Range

	// Place says where the reservation may be. Size 0 is the least that the
	// host needs: 8 MiB for up to 32 GiB of RAM, 48 KiB more for each GiB above.
	Place reserve.Place

	// Environment is the host's. What Allowed lists reaches the rescue program,
	// nil being handoff.DefaultAllowed, after Settings and after the host's
	// own debug.rescue.X=value, which sets X.
	Environment handoff.Environment
	Settings    handoff.Environment
	Allowed     []string

	// Targets are where the dump may go, tried in order.
	Targets []handoff.Target
	// Devices, if set, opens the disk of a target. Arm then reads the label there
	// (dumper prepare): it completes what the target leaves out, and refuses with
	// a *TargetError a disk that is missing, has no label or another one, or has
	// no room for what a dump would have now, unless handoff.TargetTruncate
	// allows to cut it.
	Devices func(handoff.Target) (Device, error)
	// PCI is the memory-mapped configuration spaces by which the rescue program
	// reaches targets on PCI. Segments that are not in it are reached by I/O ports,
	// where there are any.
	PCI []handoff.PCISpace
	// Redact is memory that is never read: recorded holes in the dump.
	Redact physmem.Ranges
	// Firmware are tables for the rescue program besides those that the
	// platform's facts tell of.
	Firmware []reserve.FirmwareTable

	// Limits are the rescue program's; the zero value of each is from the size
	// of its memory.
	Limits handoff.Limits

	// NMI makes a non-maskable interrupt a panic.
	NMI bool

	// CPUs is how many CPUs there will be: more than the platform knows of when
	// arming, if some are started later. The panic area has a place for the
	// registers of each, and package kernel starts no CPU beyond them.
	CPUs int
	// Patience is how long other CPUs have to stop in at a panic; 0 =
	// DefaultPatience. Those that did not are counted, and the panic goes on.
	Patience time.Duration

	// Notifiers are called at a panic, by list and then in this order. Arming
	// ends the registration.
	Notifiers []Notifier
	// Level says which of them are called before the hand-off.
	Level Level
	// SkipNotifiers are the names of some that are not called.
	SkipNotifiers []string
	// Information is what is printed to the message buffer at a panic; 0 =
	// InformationDefault.
	Information Information

	// LoopLimit is how many panics in a row are rescued; 0 = DefaultLoopLimit,
	// less than 0 is all. The next one leaves its record and resets. Armed.Healthy
	// ends the row.
	LoopLimit int
	// RecordLayout divides the record area; the zero value is
	// record.DefaultLayout.
	RecordLayout record.Layout

	// Ramoops is memory that Linux finds the record of a panic in, too.
	Ramoops Ramoops

	// Watchdog is patted from both sides.
	Watchdog Watchdog
	// Quiesce are the PCI addresses (as in handoff.Target) of devices that the
	// rescue program silences first of all: their MSI and MSI-X are disabled,
	// and they may not master the bus. Nothing depends on it.
	Quiesce []uint64

	// Earlier, if set, is given what an earlier boot left at the place of the
	// reservation, before it is written over. Its error stops the arming.
	Earlier func(*reserve.Earlier) error
}
