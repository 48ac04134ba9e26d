package virtio

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed64aab995/rescuekernel/device"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// Transport is how a driver talks to a virtio device. NewLegacyPCI,
// NewModernPCI and NewMMIO make one; OpenPCI finds out which it takes.
type Transport interface {
	// Type is the device type, as TypeBlock, or 0 where the registers do not
	// tell it.
	Type() uint32

	// Legacy reports whether the device is from before version 1: status
	// has no FEATURES_OK, and the used ring has LegacyAlignment.
	Legacy() bool

	// Status and SetStatus are the device status. Writing 0 resets it.
	Status() uint8
	SetStatus(uint8)

	// Features are what the device offers, SetFeatures what the driver takes.
	Features() uint64
	SetFeatures(uint64)

	// QueueSize is the largest size of a queue that the device can do; 0: there
	// is no such queue. FixedQueueSize says that it can do no other.
	QueueSize(queue uint16) uint16
	FixedQueueSize() bool

	// SetQueue turns a queue on. It raises no interrupts by MSI-X.
	SetQueue(queue uint16, size uint16, at QueueAddresses) error

	// Notify says that a queue has new available descriptors.
	Notify(queue uint16)

	// Config is the device's configuration. Generation changes when the
	// configuration does; it is 0 always on legacy devices.
	Config() device.Registers
	Generation() uint32
}

// QueueAddresses are where the parts of a queue lie.
type QueueAddresses struct {
	Descriptors, Available, Used physmem.Address
}

// Errors of finding and starting a device.
var (
	// ErrNoDevice says that registers are not those of a virtio device, or of
	// none of the type that was looked for.
	ErrNoDevice = errors.New("no such virtio device")

	// ErrTransport says that a virtio device describes itself in a way that
	// cannot be right.
	ErrTransport = errors.New("the virtio device's description is wrong")

	// ErrFeatures says that device and driver cannot agree on features.
	ErrFeatures = errors.New("the virtio device refuses the features")

	// ErrTimeout says that a device has not answered in time.
	ErrTimeout = errors.New("the device has not answered in time")
)

// timer is a deadline by a clock.
type timer struct {
	now func() time.Time
	end time.Time
}

func newTimer(now func() time.Time, d time.Duration) timer { return timer{now, now().Add(d)} }

func (t timer) over() bool { return !t.now().Before(t.end) }

// reset resets a device, whatever it was doing for whom, and waits until it has
// let go of all memory (2.1.2: status reads 0 when it is done).
func reset(t Transport, clock func() time.Time, timeout time.Duration) error {
	t.SetStatus(0)
	for limit := newTimer(clock, timeout); t.Status() != 0; {
		if limit.over() {
			return fmt.Errorf("reset of the virtio device: status is %#x: %w", t.Status(), ErrTimeout)
		}
	}
	return nil
}

// negotiate resets the device and agrees on features: those of wanted that the
// device has. It leaves the device before DRIVER_OK (3.1.1).
func negotiate(t Transport, wanted uint64, clock func() time.Time, timeout time.Duration) (uint64, error) {
	if err := reset(t, clock, timeout); err != nil {
		return 0, err
	}
	t.SetStatus(StatusAcknowledge)
	t.SetStatus(StatusAcknowledge | StatusDriver)
	offered := t.Features()
	if t.Legacy() {
		features := offered & wanted & 0xffff_ffff
		t.SetFeatures(features)
		return features, nil
	}
	features := offered & (wanted | FeatureVersion1)
	if features&FeatureVersion1 == 0 {
		t.SetStatus(StatusFailed)
		return 0, fmt.Errorf("features %#x are without version 1: %w", offered, ErrFeatures)
	}
	t.SetFeatures(features)
	t.SetStatus(StatusAcknowledge | StatusDriver | StatusFeaturesOK)
	if t.Status()&StatusFeaturesOK == 0 {
		t.SetStatus(StatusFailed)
		return 0, fmt.Errorf("features %#x of %#x: %w", features, offered, ErrFeatures)
	}
	return features, nil
}
