package machine_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
	"github.com/seed64aab995/rescuekernel/physmem"
)

// armImage is an Image with text_offset and image_size.
func armImage(offset, size uint64) []byte {
	image := machinetest.ARM64Image([]byte{1, 2, 3, 4})
	binary.LittleEndian.PutUint64(image[8:], offset)
	if size != 0 {
		binary.LittleEndian.PutUint64(image[16:], size)
	}
	return image
}

func TestLoadARM64(t *testing.T) {
	t.Parallel()
	ram := physmem.NewRanges(physmem.Range{Start: 1 << 30, End: 1<<30 + 64<<20})
	one := []machine.Module{{Data: []byte("initrd")}}
	for _, test := range []struct {
		name    string
		image   []byte
		modules []machine.Module
		want    machine.ARM64Boot
	}{
		{"small", armImage(0, 0), nil, machine.ARM64Boot{Entry: 0x40200000, Tree: 0x42000000}},
		{"offset", armImage(0x80000, 0), nil, machine.ARM64Boot{Entry: 0x40080000, Tree: 0x42000000}},
		{"initrd", armImage(0, 0), one, machine.ARM64Boot{Entry: 0x40200000, Initrd: physmem.Range{Start: 0x42000000, End: 0x42000006}, Tree: 0x42200000}},
		{"large", armImage(0, 40<<20), one, machine.ARM64Boot{Entry: 0x40200000, Initrd: physmem.Range{Start: 0x42a00000, End: 0x42a00006}, Tree: 0x42c00000}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			memory := physmem.NewSparse(ram)
			got, err := machine.LoadARM64(memory, ram, machine.Boot{Image: test.image, Modules: test.modules}, func(initrd physmem.Range) ([]byte, error) {
				require.Equal(t, test.want.Initrd, initrd)
				return []byte("tree"), nil
			})
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			require.Equal(t, test.image, read(t, memory, got.Entry, len(test.image)))
			require.Equal(t, "tree", string(read(t, memory, got.Tree, 4)))
			if len(test.modules) > 0 {
				require.Equal(t, "initrd", string(read(t, memory, got.Initrd.Start, 6)))
			}
		})
	}
}

func TestLoadARM64Refuses(t *testing.T) {
	t.Parallel()
	ram := physmem.NewRanges(physmem.Range{Start: 1 << 30, End: 1<<30 + 8<<20})
	for name, test := range map[string]struct {
		image   []byte
		modules []machine.Module
		tree    int
		want    error
	}{
		"no header":        {[]byte("short"), nil, 0, machine.ErrBadImage},
		"an ELF file":      {machinetest.Image([]byte{1}), nil, 0, machine.ErrBadImage},
		"too large":        {armImage(0, 8<<20), nil, 0, machine.ErrBadImage},
		"too high":         {armImage(1<<63, 0), nil, 0, machine.ErrBadImage},
		"size wraps":       {armImage(0, ^uint64(0)), nil, 0, machine.ErrBadImage},
		"two modules":      {armImage(0, 0), make([]machine.Module, 2), 0, machine.ErrUnsupported},
		"a command line":   {armImage(0, 0), []machine.Module{{CommandLine: "x"}}, 0, machine.ErrUnsupported},
		"a large initrd":   {armImage(0, 0), []machine.Module{{Data: make([]byte, 5<<20)}}, 0, machine.ErrBadImage},
		"no room for tree": {armImage(0, 0), []machine.Module{{Data: make([]byte, 3<<20)}}, 4, machine.ErrBadImage},
		"a large tree":     {armImage(0, 0), nil, 3 << 20, machine.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := machine.LoadARM64(physmem.NewSparse(ram), ram, machine.Boot{Image: test.image, Modules: test.modules},
				func(physmem.Range) ([]byte, error) { return make([]byte, test.tree), nil })
			require.ErrorIs(t, err, test.want)
		})
	}
	_, err := machine.LoadARM64(physmem.NewSparse(ram), nil, machine.Boot{}, nil)
	require.Error(t, err)
}
