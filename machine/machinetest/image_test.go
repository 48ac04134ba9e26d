package machinetest_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine/machinetest"
)

func TestImage(t *testing.T) {
	t.Parallel()
	file, err := elf.NewFile(bytes.NewReader(machinetest.Image([]byte{0xf4})))
	require.NoError(t, err)
	require.Len(t, file.Progs, 2)
	code := make([]byte, 1)
	_, err = file.Progs[0].ReadAt(code, machinetest.Entry-int64(file.Progs[0].Paddr))
	require.NoError(t, err)
	require.EqualValues(t, 0xf4, code[0])
	require.Panics(t, func() { machinetest.Image(make([]byte, machinetest.CodeEnd-machinetest.Entry+1)) })
}

// Any amd64 machine runs the image, by PVH or by the Linux 64-bit protocol.
func ExampleImage() {
	image := machinetest.Image([]byte{
		0xb0, 1, // mov al, 1
		0xe6, 0xf4, // out 0xf4, al
	})
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v for %v, loaded at %#x\n", file.Class, file.Machine, file.Progs[0].Paddr)
	// Output: ELFCLASS64 for EM_X86_64, loaded at 0x100000
}
