package ekcd

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	mathrand "math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// testKey is made once: it takes a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func content(n int) []byte {
	b := make([]byte, n)
	mathrand.New(mathrand.NewSource(int64(n))).Read(b)
	return b
}

func encrypt(t *testing.T, plain []byte, block *KeyBlock, key []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, block, key)
	require.NoError(t, err)
	for piece := 1; len(plain) > 0; piece = piece*5 + 3 {
		n := min(piece, len(plain))
		m, err := w.Write(plain[:n])
		require.NoError(t, err)
		require.Equal(t, n, m)
		plain = plain[n:]
	}
	require.NoError(t, w.Close())
	_, err = w.Write([]byte{1})
	require.ErrorIs(t, err, ErrClosed)
	return out.Bytes()
}

// openssl runs the program, which knows nothing of us.
func openssl(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl program: ", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("openssl %q: %v: %s", args, err, exit.Stderr)
	}
	require.NoError(t, err)
	return out
}

func TestRoundTripAtRandom(t *testing.T) {
	plain := content(300_000 &^ 15)
	for _, cipher := range []Cipher{AES256CBC, ChaCha20} {
		for _, padding := range []Padding{OAEP, PKCS1v15} {
			key, block, err := NewKey(&testKey().PublicKey, cipher, padding, nil)
			require.NoError(t, err)
			block.NextIV()
			encrypted := encrypt(t, plain, block, key)
			require.NotEqual(t, plain, encrypted)

			b, err := block.AppendBinary(nil)
			require.NoError(t, err)
			parsed, err := ParseKeyBlock(append(b, make([]byte, 512-len(b)%512)...))
			require.NoError(t, err)
			require.Equal(t, block, parsed)
			found, err := parsed.Decrypt(testKey())
			require.NoError(t, err)
			require.Equal(t, key, found)

			r, err := NewReader(bytes.NewReader(encrypted), int64(len(encrypted)), parsed, found)
			require.NoError(t, err)
			got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			require.NoError(t, err)
			require.True(t, bytes.Equal(plain, got))
			random := mathrand.New(mathrand.NewSource(1))
			for range 500 {
				off := random.Intn(len(plain))
				p := make([]byte, random.Intn(1<<random.Intn(18)))
				n, err := r.ReadAt(p, int64(off))
				require.True(t, bytes.Equal(plain[off:off+n], p[:n]), "%v: %d at %d", cipher, len(p), off)
				if n < len(p) {
					require.ErrorIs(t, err, io.EOF)
					require.Equal(t, len(plain), off+n)
				} else {
					require.NoError(t, err)
				}
			}
			_, err = r.ReadAt(make([]byte, 1), r.Size())
			require.ErrorIs(t, err, io.EOF)
			_, err = r.ReadAt(make([]byte, 1), -1)
			require.Error(t, err)
		}
	}
}

// What openssl encrypts is what we encrypt, and we decrypt it.
func TestAgainstOpenSSL(t *testing.T) {
	key, iv := content(32), [IVSize]byte(content(33)[1:])
	plain := content(70_000 &^ 15)
	for _, c := range []struct {
		cipher Cipher
		args   []string
	}{
		{AES256CBC, []string{"enc", "-aes-256-cbc", "-nopad", "-iv", hex.EncodeToString(iv[:16])}},
		{ChaCha20, []string{"enc", "-chacha20", "-iv", "0000000000000000" + hex.EncodeToString(iv[:8])}},
	} {
		theirs := openssl(t, plain, append(c.args, "-K", hex.EncodeToString(key))...)
		block := &KeyBlock{Cipher: c.cipher, IV: iv}
		require.True(t, bytes.Equal(theirs, encrypt(t, plain, block, key)), c.cipher)
		r, err := NewReader(bytes.NewReader(theirs), int64(len(theirs)), block, key)
		require.NoError(t, err)
		p := make([]byte, 5000)
		_, err = r.ReadAt(p, 12_345)
		require.NoError(t, err)
		require.Equal(t, plain[12_345:17_345], p)
	}
}

// Beyond 256 GiB the block counter needs more than 32 bits. openssl takes the
// counter as the first 8 bytes of its IV.
func TestChaCha20FarOffsets(t *testing.T) {
	key, iv := content(32), content(8)
	for _, counter := range []uint64{1<<32 - 2, 1 << 32, 1<<32 + 5, 7<<32 - 1, 1<<40 + 3} {
		start := binary.LittleEndian.AppendUint64(nil, counter)
		theirs := openssl(t, make([]byte, 1024), "enc", "-chacha20", "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(append(start, iv...)))
		for _, skip := range []int{0, 1, 63, 64, 100, 200} {
			ours := make([]byte, 1024-skip)
			cryptChaCha20(ours, key, iv, int64(counter)*64+int64(skip))
			require.Equal(t, theirs[skip:], ours, "counter %#x, skip %d", counter, skip)
		}
	}
}

// Vectors that need no program: RFC 8439 A.1 vectors 1 and 2 are the original
// ChaCha20 too, as their nonces are zero; NIST SP 800-38A F.2.5 is CBC-AES256.
func TestVectors(t *testing.T) {
	p := make([]byte, 128)
	cryptChaCha20(p, make([]byte, 32), make([]byte, 8), 0)
	require.Equal(t, "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"+
		"da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"+
		"9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"+
		"29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f", hex.EncodeToString(p))

	unhex := func(s string) []byte { b, err := hex.DecodeString(s); require.NoError(t, err); return b }
	block := &KeyBlock{Cipher: AES256CBC, IV: [IVSize]byte(append(unhex("000102030405060708090a0b0c0d0e0f"), make([]byte, 16)...))}
	key := unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	require.Equal(t, unhex("f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"),
		encrypt(t, unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"), block, key))
}

// Keys that openssl made, and a key that it encrypted as dumpon does.
func TestKeysOfOpenSSL(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "private.pem")
	public := filepath.Join(dir, "public.pem")
	openssl(t, nil, "genrsa", "-out", private, "2048")
	openssl(t, nil, "rsa", "-in", private, "-pubout", "-out", public)
	pkcs1 := openssl(t, nil, "rsa", "-in", private, "-traditional")
	pkcs8, err := os.ReadFile(private)
	require.NoError(t, err)
	publicPEM, err := os.ReadFile(public)
	require.NoError(t, err)
	key, err := ParsePrivateKey(pkcs8)
	require.NoError(t, err)
	again, err := ParsePrivateKey(pkcs1)
	require.NoError(t, err)
	require.True(t, key.Equal(again))
	publicKey, err := ParsePublicKey(publicPEM)
	require.NoError(t, err)
	require.True(t, key.PublicKey.Equal(publicKey))

	buffer := make([]byte, 64)
	copy(buffer, content(32))
	for _, padding := range []string{"oaep", "pkcs1"} {
		block := &KeyBlock{Cipher: ChaCha20, EncryptedKey: openssl(t, buffer, "pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-pkeyopt", "rsa_padding_mode:"+padding)}
		got, err := block.Decrypt(key)
		require.NoError(t, err, padding)
		require.Equal(t, content(32), got)
		_, err = block.Decrypt(testKey())
		require.ErrorIs(t, err, ErrWrongKey)
	}
}

func TestPrivateKeyRefused(t *testing.T) {
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())})
	der, err := x509.MarshalPKIXPublicKey(&testKey().PublicKey)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	key, err := ParsePrivateKey(append(public, pkcs1...)) // what is not it is passed over
	require.NoError(t, err)
	require.True(t, key.Equal(testKey()))
	for want, file := range map[string][]byte{
		"no PEM block": []byte("hello"),
		"PUBLIC KEY":   public,
		"openssl rsa":  pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES"}, Bytes: []byte{1}}),
		"openssl pkey": pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}),
		"asn1":         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}),
		"asn1:":        pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte{1}}),
	} {
		_, err := ParsePrivateKey(file)
		require.ErrorIs(t, err, ErrPrivateKey)
		require.ErrorContains(t, err, want)
	}
}

func TestKeyBlockRefused(t *testing.T) {
	good, err := (&KeyBlock{Cipher: ChaCha20, EncryptedKey: content(256)}).AppendBinary(nil)
	require.NoError(t, err)
	for name, b := range map[string][]byte{
		"empty": {}, "short": good[:36], "cut": good[:len(good)-1], "cipher 0": append([]byte{0}, good[1:]...), "cipher 3": append([]byte{3}, good[1:]...),
		"no key": append(bytes.Clone(good[:33]), make([]byte, 300)...), "huge key": append(append(bytes.Clone(good[:33]), 0xFF, 0xFF, 0xFF, 0xFF), good[37:]...),
	} {
		_, err := ParseKeyBlock(b)
		require.ErrorIs(t, err, ErrKeyBlock, name)
	}
	_, err = (&KeyBlock{}).AppendBinary(nil)
	require.ErrorIs(t, err, ErrKeyBlock)
	_, err = NewReader(nil, 0, &KeyBlock{Cipher: ChaCha20}, []byte("short"))
	require.ErrorIs(t, err, ErrWrongKey)
	_, err = NewReader(nil, 0, &KeyBlock{}, make([]byte, 32))
	require.ErrorIs(t, err, ErrKeyBlock)
	_, err = NewWriter(nil, &KeyBlock{}, make([]byte, 32))
	require.Error(t, err)
	_, _, err = NewKey(&testKey().PublicKey, 9, OAEP, nil)
	require.Error(t, err)
	_, _, err = NewKey(&testKey().PublicKey, ChaCha20, 9, nil)
	require.Error(t, err)
	_, err = (&KeyBlock{EncryptedKey: content(256)}).Decrypt(testKey())
	require.ErrorIs(t, err, ErrWrongKey)
	_, err = (&KeyBlock{EncryptedKey: content(512)}).Decrypt(testKey())
	require.ErrorIs(t, err, ErrWrongKey)
}

// A dump that was cut decrypts up to the cut.
func TestCut(t *testing.T) {
	plain, key := content(1000&^15), content(32)
	for _, cipher := range []Cipher{AES256CBC, ChaCha20} {
		block := &KeyBlock{Cipher: cipher}
		encrypted := encrypt(t, plain, block, key)
		for cut := range encrypted {
			r, err := NewReader(bytes.NewReader(encrypted[:cut]), int64(len(encrypted)), block, key)
			require.NoError(t, err)
			p := make([]byte, len(plain))
			n, err := r.ReadAt(p, 0)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, plain[:n], p[:n])
			require.Greater(t, n, cut-16)
		}
	}
	// In AES-CBC what does not make a block is padded with zeros.
	encrypted := encrypt(t, plain[:20], &KeyBlock{Cipher: AES256CBC}, key)
	require.Len(t, encrypted, 32)
}

func FuzzKeyBlock(f *testing.F) {
	good, _ := (&KeyBlock{Cipher: ChaCha20, EncryptedKey: content(256)}).AppendBinary(nil)
	f.Add(good)
	f.Add(append(good, make([]byte, 219)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKeyBlock(b)
		if err != nil {
			return
		}
		again, err := k.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, b[:len(again)], again)
		_, err = k.Decrypt(testKey())
		require.Error(t, err) // nothing that a fuzzer makes fits the key
	})
}

func BenchmarkDecrypt(b *testing.B) {
	encrypted := content(1 << 20)
	for _, cipher := range []Cipher{AES256CBC, ChaCha20} {
		b.Run(cipher.String(), func(b *testing.B) {
			r, err := NewReader(bytes.NewReader(encrypted), int64(len(encrypted)), &KeyBlock{Cipher: cipher}, make([]byte, 32))
			require.NoError(b, err)
			p := make([]byte, len(encrypted))
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if _, err := r.ReadAt(p, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
