//go:build linux && (amd64 || arm64)

package kernel

import "github.com/seed64aab995/rescuekernel/handoff"

// initRandom seeds the generator from the block's seed and the counter. The
// CPU's own generator, where there is one, goes into every number.
//
//go:nosplit
func initRandom() {
	for i := uintptr(0); i < 4; i++ {
		*element(&k.random[0], i) = uint64(header(handoff.OffsetSeed+8*i)) ^ uint64(ticks()) ^ *element(&k.facts.seed[0], i)
	}
	k.hasRandom = hasRandomNumbers()
}

// nextRandom is xoshiro256++ (Blackman, Vigna), with the CPU's random number
// added. Without that and without a seed it is not for secrets.
//
//go:nosplit
func nextRandom() uint64 {
	s := &k.random
	sum := s[0] + s[3]
	result := (sum<<23 | sum>>41) + s[0]
	t := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= t
	s[3] = s[3]<<45 | s[3]>>19
	if k.hasRandom != 0 {
		for range 10 { // Intel SDM 1 7.3.17.1: ten tries
			if v, ok := randomNumber(); ok {
				return result ^ v
			}
		}
	}
	return result
}

// randomBytes is getrandom.
//
//go:nosplit
func randomBytes(p, n uintptr) uintptr {
	for i := uintptr(0); i < n; {
		v := nextRandom()
		for j := 0; j < 8 && i < n; j++ {
			store8(p+i, byte(v))
			v >>= 8
			i++
		}
	}
	return n
}

// putName writes the host's name: the command line's hostname=, at most 64
// bytes, or a default.
//
//go:nosplit
func putName(p uintptr) {
	command := addressOf(&k.facts.command)
	name := findWord(command, k.facts.commandLength, "hostname=")
	if name == 0 {
		putString(p, "rescuekernel")
		return
	}
	n := uintptr(0)
	for n < 64 && load8(name+n) > ' ' {
		n++
	}
	putBytes(p, name, n)
}

// fillName is uname: six fields of 65 bytes.
//
//go:nosplit
func fillName(p uintptr) uintptr {
	fill(p, 6*65/8*8, 0)
	putString(p, "Linux")
	putName(p + 65)
	putString(p+2*65, "6.0.0")
	putString(p+3*65, "package kernel")
	putString(p+4*65, machineName)
	putString(p+5*65, "")
	return 0
}
