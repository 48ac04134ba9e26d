package arm64

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/seed64aab995/rescuekernel/emulator"
	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/physmem"
)

type uartBus struct{ out []byte }

func (u *uartBus) Read(a uint64, p []byte) (bool, *machine.Exit) {
	for i := range p {
		p[i] = 0
	}
	if a == 0x9000018 {
		p[0] = 0x90
	}
	return true, nil
}
func (u *uartBus) Write(a uint64, p []byte) (bool, *machine.Exit) {
	if a == 0x9000000 {
		u.out = append(u.out, p[0])
	}
	return true, nil
}

func TestZZBoot(t *testing.T) {
	img, err := os.ReadFile(os.Getenv("ZZ_IMG"))
	if err != nil {
		t.Skip(err)
	}
	dtb, _ := os.ReadFile(os.Getenv("ZZ_DTB"))
	mem := emulator.NewMemory(physmem.NewRanges(physmem.Range{Start: 0x40000000, End: 0x44000000}))
	u := &uartBus{}
	model := CortexA57
	if os.Getenv("ZZ_MODEL") != "" {
		model = Model(os.Getenv("ZZ_MODEL"))
	}
	off := false
	c := New(0, mem, Config{Model: model, EL2: os.Getenv("ZZ_EL2") != "", Bus: u, Delayed: os.Getenv("ZZ_DELAYED") != "", Firmware: func(c *CPU, k Conduit) (bool, *machine.Exit) {
		switch uint32(c.X(0)) {
		case 0x84000008:
			off = true
			return true, &machine.Exit{Reason: machine.PoweredOff}
		case 0x84000000:
			c.SetX(0, 0x10001)
		default:
			c.SetX(0, ^uint64(0))
		}
		return true, nil
	}})
	mem.WritePhysical(img, 0x40200000)
	mem.WritePhysical(dtb[:binary.BigEndian.Uint32(dtb[4:])], 0x43e00000)
	c.PowerOn(0x40200000, 0x43e00000)
	if os.Getenv("ZZ_TRACE") != "" {
		f, _ := os.Create(os.Getenv("ZZ_TRACE"))
		c.SetTrace(func(e Executed) { fmt.Fprintln(f, e) })
	}
	m := emulator.NewMachine(c)
	begin := time.Now()
	var exit *machine.Exit
	for exit == nil && c.Instructions() < 3_000_000_000 {
		exit = m.Round()
	}
	d := time.Since(begin)
	s := string(u.out)
	if len(s) > 6000 {
		s = s[len(s)-6000:]
	}
	fmt.Println(s)
	fmt.Println(exit, off, c.Instructions(), d, float64(c.Instructions())/d.Seconds()/1e6, "Mi/s")
}
