package ekcd

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// ErrClosed says that a Writer was used after Close.
var ErrClosed = errors.New("encrypting writer is closed")

// Writer encrypts a dump as the kernel does. What is written to it has
// reached the underlying writer when Write returns, but for less than an AES
// block.
type Writer struct {
	w      io.Writer
	key    []byte
	block  *KeyBlock
	cbc    cipher.BlockMode
	offset int64
	buffer []byte // encrypted, or not yet
	rest   int    // bytes at the start of buffer that do not make a block
	err    error
}

// NewWriter makes a Writer. The same key and block must not be used for
// another dump without NextIV in between.
func NewWriter(w io.Writer, block *KeyBlock, key []byte) (*Writer, error) {
	e := &Writer{w: w, key: key, block: block, buffer: make([]byte, 64<<10)}
	if len(key) != KeySize {
		return nil, fmt.Errorf("encrypt dump: key of %d bytes", len(key))
	}
	switch block.Cipher {
	case ChaCha20:
	case AES256CBC:
		b, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("encrypt dump: %w", err)
		}
		e.cbc = cipher.NewCBCEncrypter(b, block.IV[:aes.BlockSize])
	default:
		return nil, fmt.Errorf("encrypt dump: unknown cipher %d", block.Cipher)
	}
	return e, nil
}

// Write encrypts p.
func (e *Writer) Write(p []byte) (n int, err error) {
	for n < len(p) && e.err == nil {
		m := copy(e.buffer[e.rest:], p[n:])
		n += m
		e.flush(e.rest + m)
	}
	return n, e.err
}

// flush encrypts and writes what it can of the first n bytes of the buffer.
func (e *Writer) flush(n int) {
	whole := n
	if e.cbc != nil {
		whole = n &^ (aes.BlockSize - 1)
	}
	b := e.buffer[:whole]
	if e.cbc != nil {
		e.cbc.CryptBlocks(b, b)
	} else {
		cryptChaCha20(b, e.key, e.block.IV[:8], e.offset)
	}
	e.offset += int64(whole)
	m, err := e.w.Write(b)
	if err == nil && m < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		e.err = fmt.Errorf("encrypt dump: %w", err)
	}
	e.rest = copy(e.buffer, e.buffer[whole:n])
}

// Close writes the last AES block, padded with zeros: the kernel pads to a
// whole sector, and so a dump in AES-CBC always is. It does not close the
// underlying writer.
func (e *Writer) Close() error {
	if e.err == nil && e.rest > 0 {
		clear(e.buffer[e.rest:aes.BlockSize])
		e.flush(aes.BlockSize)
	}
	if e.err != nil {
		return e.err
	}
	e.err = ErrClosed
	return nil
}

var _ io.WriteCloser = (*Writer)(nil)
