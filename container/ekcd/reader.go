package ekcd

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/chacha20"
)

// Reader decrypts a dump at random. It is safe for concurrent use.
type Reader struct {
	r      io.ReaderAt
	size   int64
	cipher Cipher
	key    []byte
	iv     [IVSize]byte
	block  cipher.Block // AES
	pool   sync.Pool    // *[]byte of cbcPiece
}

// NewReader decrypts the dump of size bytes in r with the key that
// KeyBlock.Decrypt gave.
func NewReader(r io.ReaderAt, size int64, block *KeyBlock, key []byte) (*Reader, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("decrypt dump: key of %d bytes: %w", len(key), ErrWrongKey)
	}
	d := &Reader{r: r, size: size, cipher: block.Cipher, key: key, iv: block.IV}
	switch block.Cipher {
	case ChaCha20:
	case AES256CBC:
		var err error
		if d.block, err = aes.NewCipher(key); err != nil {
			return nil, fmt.Errorf("decrypt dump: %w", err)
		}
		d.pool.New = func() any { b := make([]byte, cbcPiece); return &b }
	default:
		return nil, fmt.Errorf("decrypt dump: %w: cipher %d", ErrKeyBlock, block.Cipher)
	}
	return d, nil
}

// Size is the size of the dump, which encryption does not change.
func (d *Reader) Size() int64 { return d.size }

// ReadAt reads decrypted bytes.
func (d *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("decrypt dump: read at negative offset %d", off)
	}
	if off >= d.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), d.size-off)]
	if d.cipher == ChaCha20 {
		n, err = d.r.ReadAt(want, off)
		cryptChaCha20(want[:n], d.key, d.iv[:8], off)
	} else {
		n, err = d.readCBC(want, off)
	}
	switch {
	case n == len(p):
		return n, nil
	case err == nil && n == len(want):
		return n, io.EOF
	case err == nil || err == io.EOF:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// cryptChaCha20 is the original ChaCha20 (D. J. Bernstein, 2008) at a byte
// offset of its stream. The library's is RFC 8439's: its 32-bit counter is the
// lower half of the original's, and the first word of its 96-bit nonce the
// upper half. The library refuses to let the lower half wrap, so a range goes
// piece by piece of 256 GiB.
func cryptChaCha20(p, key, iv []byte, off int64) {
	const blockSize, pieceSize = 64, int64(64) << 32
	for len(p) > 0 {
		var nonce [chacha20.NonceSize]byte
		binary.LittleEndian.PutUint32(nonce[:], uint32(off/pieceSize))
		copy(nonce[4:], iv)
		c, err := chacha20.NewUnauthenticatedCipher(key, nonce[:])
		if err != nil {
			panic("ekcd: " + err.Error()) // key and nonce have their sizes
		}
		piece := p[:min(int64(len(p)), pieceSize-off%pieceSize)]
		c.SetCounter(uint32(off % pieceSize / blockSize))
		if skip := off % blockSize; skip > 0 {
			var discard [blockSize]byte
			c.XORKeyStream(discard[:skip], discard[:skip])
		}
		c.XORKeyStream(piece, piece)
		p = p[len(piece):]
		off += int64(len(piece))
	}
}

// cbcPiece is how much AES-CBC decrypts at once.
const cbcPiece = 64 << 10

// readCBC decrypts whole AES blocks; each needs the encrypted one before it.
func (d *Reader) readCBC(p []byte, off int64) (n int, err error) {
	buffer := d.pool.Get().(*[]byte)
	defer d.pool.Put(buffer)
	for n < len(p) {
		start := off &^ (aes.BlockSize - 1)
		end := min(off+int64(len(p)-n)+aes.BlockSize-1, start+cbcPiece-aes.BlockSize) &^ (aes.BlockSize - 1)
		before := min(start, aes.BlockSize)
		b := (*buffer)[:end-start+before]
		m, err := d.r.ReadAt(b, start-before)
		iv := d.iv[:aes.BlockSize]
		whole := b[before:max(before, int64(m)&^(aes.BlockSize-1))]
		if before > 0 {
			iv = b[:aes.BlockSize]
		}
		cipher.NewCBCDecrypter(d.block, iv).CryptBlocks(whole, whole)
		if off-start >= int64(len(whole)) {
			return n, err
		}
		k := copy(p[n:], whole[off-start:])
		n += k
		off += int64(k)
		if m < len(b) && n < len(p) {
			return n, err
		}
	}
	return n, nil
}
