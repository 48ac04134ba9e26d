package symbols_test

import (
	"bytes"
	"debug/elf"
	"fmt"

	"github.com/seed64aab995/rescuekernel/symbols"
	"github.com/seed64aab995/rescuekernel/symbols/symbolstest"
)

// Names for addresses, addresses for names.
func Example() {
	file := symbolstest.File{
		Machine:  elf.EM_X86_64,
		Sections: []symbolstest.Section{{Name: ".text", Address: 0xffffffff80200000, Data: make([]byte, 64)}},
		Symbols: []symbolstest.Symbol{
			{Name: "panic", Section: ".text", Address: 0xffffffff80200010, Size: 32, Type: elf.STT_FUNC},
		},
	}
	table, err := symbols.Open(bytes.NewReader(file.Build()))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(table.Architecture(), table.Format(0xffffffff80200014))
	address, err := table.Resolve("panic+0x8")
	fmt.Printf("%#x %v\n", address, err)
	_, err = table.Resolve("vpanic")
	fmt.Println(err)
	// Output:
	// amd64 panic+0x4
	// 0xffffffff80200018 <nil>
	// unknown symbol: "vpanic"
}
