// Command guest is an ordinary Go program for tests of the emulated CPU: it runs
// algorithms of the standard library and of others that are written in assembly
// for arm64, and prints what they give. The same program run elsewhere prints
// the same, but for lines that begin with "float:", which may differ between
// architectures.
//
// Its argument is what to do: "all", or "compress" or "digest" with a number of
// bytes, for benchmarks.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/chacha20poly1305"
)

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "compress":
		n, err := strconv.Atoi(os.Args[2])
		check(err)
		compress(n)
	case len(os.Args) == 3 && os.Args[1] == "digest":
		n, err := strconv.Atoi(os.Args[2])
		check(err)
		fmt.Printf("%x\n", sha256.Sum256(pattern(n)))
	default:
		sums()
		ciphers()
		curves()
		texts()
		archives()
		runtimes()
		floats()
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// pattern is bytes that compress about as memory does.
func pattern(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n+64)
	for len(b) < n {
		switch r.IntN(4) {
		case 0:
			b = append(b, make([]byte, r.IntN(64))...)
		case 1:
			for range r.IntN(32) {
				b = append(b, byte(r.Uint32()))
			}
		default:
			if len(b) > 100 {
				from := r.IntN(len(b) - 64)
				b = append(b, b[from:from+r.IntN(64)]...)
			} else {
				b = append(b, "the quick brown fox"...)
			}
		}
	}
	return b[:n]
}

func compress(n int) {
	data := pattern(1 << 20)
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	check(err)
	var out []byte
	total := 0
	for done := 0; done < n; done += len(data) {
		out = w.EncodeAll(data, out[:0])
		total += len(out)
	}
	fmt.Println(total, crc32.Checksum(out, crc32.MakeTable(crc32.Castagnoli)))
}

func sums() {
	data := pattern(40_000)
	for _, n := range []int{0, 1, 55, 56, 63, 64, 65, 127, 128, 129, 1000, len(data)} {
		d := data[:n]
		fmt.Printf("%d md5 %x\n", n, md5.Sum(d))
		fmt.Printf("sha1 %x\nsha256 %x\nsha512 %x\nsha3 %x\n", sha1.Sum(d), sha256.Sum256(d), sha512.Sum512(d), sha3.Sum256(d))
		fmt.Printf("crc32 %x %x adler %x\n", crc32.ChecksumIEEE(d), crc32.Checksum(d, crc32.MakeTable(crc32.Castagnoli)), adler32.Checksum(d))
	}
}

func ciphers() {
	data := pattern(5000)
	for _, size := range []int{16, 24, 32} {
		block, err := aes.NewCipher(data[:size])
		check(err)
		gcm, err := cipher.NewGCM(block)
		check(err)
		for _, n := range []int{0, 15, 16, 17, 128, 1000, 4096} {
			sealed := gcm.Seal(nil, data[:12], data[100:100+n], data[:13])
			opened, err := gcm.Open(nil, data[:12], sealed, data[:13])
			check(err)
			fmt.Printf("gcm %x %v\n", sha256.Sum256(sealed), bytes.Equal(opened, data[100:100+n]))
		}
		out := make([]byte, 4096)
		cipher.NewCTR(block, data[16:32]).XORKeyStream(out, data[:4096])
		cipher.NewCBCEncrypter(block, data[16:32]).CryptBlocks(out, out)
		cipher.NewCBCDecrypter(block, data[32:48]).CryptBlocks(out, out)
		fmt.Printf("aes %x\n", sha256.Sum256(out))
	}
	c, err := chacha20poly1305.New(data[:32])
	check(err)
	for _, n := range []int{0, 63, 64, 65, 300, 4000} {
		fmt.Printf("chacha %x\n", sha256.Sum256(c.Seal(nil, data[:12], data[50:50+n], nil)))
	}
}

func curves() {
	key := ed25519.NewKeyFromSeed(pattern(32))
	signature := ed25519.Sign(key, []byte("message"))
	fmt.Printf("ed25519 %x %v\n", signature, ed25519.Verify(key.Public().(ed25519.PublicKey), []byte("message"), signature))
	for _, curve := range []ecdh.Curve{ecdh.P256(), ecdh.P384(), ecdh.X25519()} {
		size := map[ecdh.Curve]int{ecdh.P256(): 32, ecdh.P384(): 48, ecdh.X25519(): 32}[curve]
		mine, err := curve.NewPrivateKey(append([]byte{1}, pattern(100)[:size-1]...))
		check(err)
		theirs, err := curve.NewPrivateKey(append([]byte{2}, pattern(100)[10:][:size-1]...))
		check(err)
		secret, err := mine.ECDH(theirs.PublicKey())
		check(err)
		fmt.Printf("%v %x %x\n", curve, mine.PublicKey().Bytes(), secret)
	}
	a, b := new(big.Int).SetBytes(pattern(300)), new(big.Int).SetBytes(pattern(200))
	m := new(big.Int).Exp(a, big.NewInt(65537), b.SetBit(b, 0, 1))
	q, r := new(big.Int).QuoRem(a, b, new(big.Int))
	fmt.Println("big", m, q, r, new(big.Int).GCD(nil, nil, a, b), new(big.Int).Sqrt(a))
	var total uint64
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		x, y := random.Uint64(), random.Uint64()>>random.UintN(64)|1
		high, low := bits.Mul64(x, y)
		total += high ^ low + x/y + x%y + uint64(bits.LeadingZeros64(y)+bits.TrailingZeros64(x)+bits.OnesCount64(x)) + bits.Reverse64(x) + bits.RotateLeft64(y, int(x))
	}
	fmt.Println("bits", total)
}

func texts() {
	data := pattern(3000)
	var total int
	for i := range 200 {
		d := data[i:]
		total = total*31 + bytes.IndexByte(d, byte(i)) + bytes.Count(d, d[:1]) + bytes.Index(d[100:], d[500:500+i%40+1]) + bytes.LastIndexByte(d, byte(i))
		total = total*31 + bytes.Compare(d, data[:len(d)]) + len(bytes.Fields(d)) + utf8.RuneCount(d)
		if bytes.Equal(d[:i], data[:i]) {
			total++
		}
		copy(data[i*3:], data[i*2:i*2+i*4])
	}
	fmt.Println("texts", total, fmt.Sprintf("%x", sha256.Sum256(data)))
	words := strings.Fields(strings.Repeat("the quick brown fox jumps over the lazy dog ", 50))
	sort.Strings(words)
	fmt.Println(len(slices.Compact(words)), strings.ToUpper(words[3]), strings.Count(strings.Join(words, ","), "o"), base64.StdEncoding.EncodeToString(data[:50]))
	for _, f := range []float64{0, 1, -1.5, math.Pi, 1e300, 5e-324, math.MaxFloat64, 123456789.125, 0.1} {
		s := strconv.FormatFloat(f, 'g', -1, 64)
		g, err := strconv.ParseFloat(s, 64)
		check(err)
		fmt.Println(s, f == g, strconv.FormatFloat(f, 'f', 3, 32), strconv.FormatFloat(f, 'e', 17, 64), int64(math.Mod(g, 1e6)/3), uint8(int(math.Mod(math.Abs(g), 200))))
	}
	j, err := json.Marshal(map[string]any{"a": []float64{1, 2.5, 1e21}, "b": "text <&>", "c": nil})
	check(err)
	var back any
	check(json.Unmarshal(j, &back))
	fmt.Println(string(j), back)
}

func archives() {
	data := pattern(300_000)
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level))
		check(err)
		out := w.EncodeAll(data, nil)
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		check(err)
		back, err := r.DecodeAll(out, nil)
		check(err)
		fmt.Printf("zstd %v %d %x %v\n", level, len(out), sha256.Sum256(out), bytes.Equal(back, data))
	}
	out := s2.Encode(nil, data)
	back, err := s2.Decode(nil, out)
	check(err)
	fmt.Println("s2", bytes.Equal(back, data))
}

func runtimes() {
	m := map[string]int{}
	var mutex sync.Mutex
	var group sync.WaitGroup
	results := make(chan int, 8)
	for i := range 8 {
		group.Go(func() {
			list := make([][]byte, 0, 100)
			for j := range 500 {
				list = append(list, make([]byte, 100*j%5000+1))
				if j%10 == 0 {
					list = list[:0]
				}
			}
			mutex.Lock()
			m[strconv.Itoa(i)] = len(list)
			mutex.Unlock()
			results <- i
		})
	}
	group.Wait()
	sum := 0
	for range 8 {
		sum += <-results
	}
	fmt.Println("goroutines", m, sum)
	defer func() { fmt.Println("recovered", recover()) }()
	var none []int
	fmt.Println(none[len(m)])
}

func floats() {
	random := rand.New(rand.NewPCG(5, 6))
	functions := []func(float64) float64{
		math.Sin, math.Cos, math.Tan, math.Exp, math.Log, math.Sqrt, math.Cbrt, math.Floor, math.Ceil, math.Trunc, math.Round, math.RoundToEven, math.Atan,
		math.Tanh, math.Gamma, math.Erf, math.Log1p, math.Expm1, math.Abs, math.Exp2, math.Log2,
	}
	for i, f := range functions {
		var total uint64
		for range 300 {
			x := math.Float64frombits(random.Uint64())
			if random.IntN(2) == 0 {
				x = random.NormFloat64() * 10
			}
			v := f(x)
			if v == v {
				total = total*31 + math.Float64bits(v)
			}
			total += uint64(int64(float32(v))) + math.Float64bits(float64(float32(x)*float32(v)+1))&^1
		}
		fmt.Println("float:", i, total)
	}
	x := 0.0
	for i := range 1000 {
		x += math.FMA(float64(i), 0.1, x) / float64(i+1)
		x = math.Max(math.Min(x, 1e10), math.Hypot(x, 1))
	}
	fmt.Println("float:", x, complex(x, 1)/complex(2, x), float32(x)/3, int32(x), uint32(x))
}
