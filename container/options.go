package container

import (
	"context"
	"crypto/rsa"
)

// Option is a setting of Open.
type Option func(*options)

type options struct {
	context    context.Context
	private    *rsa.PrivateKey
	keyBlock   []byte
	sectorSize int
	scanLimit  int64
	spool      SpoolOptions
	lazy       bool
	progress   func(done, total int64)
}

// WithPrivateKey gives the RSA private key of an encrypted dump
// (ekcd.ParsePrivateKey).
func WithPrivateKey(key *rsa.PrivateKey) Option { return func(o *options) { o.private = key } }

// WithKeyBlock says that the file is an encrypted dump that savecore saved,
// vmcore_encrypted.N, and gives what is in key.N.
func WithKeyBlock(block []byte) Option { return func(o *options) { o.keyBlock = block } }

// WithSectorSize gives the sector size of a dump device; without it 512 and
// 4096 are tried.
func WithSectorSize(bytes int) Option { return func(o *options) { o.sectorSize = bytes } }

// WithScanLimit bounds how far from each end of a device a dump without a
// trailing header is looked for (kerneldump.FindOptions.ScanLimit).
func WithScanLimit(bytes int64) Option { return func(o *options) { o.scanLimit = bytes } }

// WithSpool says where and how much may be decompressed of a file that cannot
// be read at random.
func WithSpool(s SpoolOptions) Option { return func(o *options) { o.spool = s } }

// WithLazySpool decompresses such a file only as far as it is read. File.Size
// is then math.MaxInt64, reads beyond the true end give io.EOF, and a file that
// was cut shows it only there.
func WithLazySpool() Option { return func(o *options) { o.lazy = true } }

// WithProgress is told how much of a compressed file is decompressed, in
// bytes of the file, now and then.
func WithProgress(f func(done, total int64)) Option { return func(o *options) { o.progress = f } }

// WithContext can stop a long decompression.
func WithContext(ctx context.Context) Option { return func(o *options) { o.context = ctx } }
