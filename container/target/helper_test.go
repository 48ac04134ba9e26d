package target_test

import (
	"bytes"
	"errors"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/container/kerneldump"
	"github.com/seed64aab995/rescuekernel/container/target"
)

// disk is a device in memory that takes whole sectors only and can fail after
// a number of writes.
type disk struct {
	b      []byte
	sector int
	left   int // writes until it fails; negative: never
	writes []int64
	flush  int
}

var errDisk = errors.New("disk failed")

func newDisk(size int64, sector int) *disk {
	return &disk{b: make([]byte, size), sector: sector, left: -1}
}

func (d *disk) check(n int, off int64) error {
	if n%d.sector != 0 || off%int64(d.sector) != 0 || off < 0 || off+int64(n) > int64(len(d.b)) {
		return errors.New("EINVAL")
	}
	return nil
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.b).ReadAt(p, off)
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.check(len(p), off); err != nil {
		return 0, err
	}
	if d.left == 0 {
		return 0, errDisk
	}
	d.left--
	d.writes = append(d.writes, off)
	return copy(d.b[off:], p), nil
}

func (d *disk) Size() int64     { return int64(len(d.b)) }
func (d *disk) SectorSize() int { return d.sector }
func (d *disk) Flush() error    { d.flush++; return nil }

func (d *disk) clone() *disk {
	return &disk{b: bytes.Clone(d.b), sector: d.sector, left: -1}
}

var (
	testID   = target.ID{1, 2, 3, 15: 16}
	testTime = time.Unix(1_700_000_000, 5).UTC()
)

func prepare(t testing.TB, d *disk, start, length int64) *target.Label {
	t.Helper()
	l, err := target.Prepare(d, target.PrepareOptions{ID: testID, Size: d.Size(), SectorSize: d.sector, Start: start, Length: length, Time: testTime})
	require.NoError(t, err)
	return l
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

func header(host string, seconds uint64) kerneldump.Header {
	return kerneldump.Header{Architecture: "amd64", ArchitectureVersion: 2, Time: seconds, HostName: host, PanicString: "p"}
}

func newWriter(t testing.TB, d *disk, l *target.Label, h kerneldump.Header) *target.Writer {
	t.Helper()
	w, err := target.NewWriter(target.WriterOptions{Device: d, Label: l, Header: h, Time: testTime.UnixNano(), Buffer: make([]byte, 2*l.SectorSize)})
	require.NoError(t, err)
	return w
}
