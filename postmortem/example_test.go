package postmortem_test

import (
	"fmt"

	"github.com/seed64aab995/rescuekernel/minidump"
	"github.com/seed64aab995/rescuekernel/postmortem"
)

// A stack, as frame pointers lead through it. Memory would be a
// *minidump.Reader, and Symbols a *symbols.Table of the kernel.
func ExampleKernel_Backtrace() {
	m := memory{}
	m.call(0x8000, 0x8040, 0x401234) // at the frame pointer: the caller's, and where to return to
	m.call(0x8040, 0, 0x405678)      // the outermost frame
	kernel := &postmortem.Kernel{Memory: m, Architecture: minidump.AMD64}
	trace := kernel.Backtrace(postmortem.Registers{
		Architecture: minidump.AMD64,
		List: []postmortem.Register{
			{Name: "rip", Value: 0x401010}, {Name: "rsp", Value: 0x7ff0}, {Name: "rbp", Value: 0x8000},
		},
	})
	for i, frame := range trace.Frames {
		fmt.Printf("%d %#x\n", i, frame.PC)
	}
	fmt.Println(trace.Stop)
	// Output:
	// 0 0x401010
	// 1 0x401234
	// 2 0x405678
	// end of the stack
}

func ExampleDisassemble() {
	code := []byte{0x1f, 0x20, 0x03, 0xd5, 0xff, 0xff, 0xff, 0x17, 0x41, 0x00, 0xe0, 0xf8}
	for _, i := range postmortem.Disassemble(minidump.ARM64, code, 0x1000, nil) {
		fmt.Printf("%#x %s\n", i.Address, i.Text)
	}
	// Output:
	// 0x1000 nop
	// 0x1004 b 0x1000
	// 0x1008 .inst 0xf8e00041
}
