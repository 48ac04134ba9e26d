// Package ekcd reads and writes encrypted kernel dumps, FreeBSD's EKCD: the
// dump is encrypted with a one-time key, which a key block carries encrypted
// with an RSA public key (dumpon -k). Who has the private key reads the dump at
// random, without decrypting it to a file first.
//
// The key block, as it lies between leading header and dump on a device and as
// savecore writes it to key.N, numbers big-endian, sizes in bytes (FreeBSD
// sys/kerneldump.h, struct kerneldumpkey):
//
//	 0  u8      cipher: 1 AES-256-CBC, 2 ChaCha20
//	 1  32      IV
//	33  u32     size of the encrypted key
//	37  ...     the key, encrypted with RSA; zeros up to the sector's end
//
// AES-256-CBC chains over the whole dump and takes the first 16 bytes of the
// IV. ChaCha20 is the original one, with a 64-bit block counter from 0 and the
// first 8 bytes of the IV as nonce, so that it does not repeat after 256 GiB.
// Neither tells whether a dump was changed; a wrong private key is told by the
// key block, whose RSA padding does not come out right.
//
// A dump is compressed first and then encrypted, with ChaCha20 only.
package ekcd
