package kernel_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/bootimage"
)

// pi is as much of a Raspberry Pi 3's device tree as a host needs. QEMU's
// firmware lets the other CPUs wait at these addresses (hw/arm/raspi.c,
// write_smpboot64).
const pi = `/dts-v1/;
/memreserve/ 0x0 0x80000;
/ {
	#address-cells = <2>;
	#size-cells = <2>;
	compatible = "raspberrypi,3-model-b", "brcm,bcm2837";
	memory@0 { device_type = "memory"; reg = <0 0 0 0x20000000>; };
	chosen { bootargs = "cpu here"; };
	cpus {
		#address-cells = <1>;
		#size-cells = <0>;
		cpu@0 { device_type = "cpu"; reg = <0>; enable-method = "spin-table"; cpu-release-addr = <0 0xd8>; };
		cpu@1 { device_type = "cpu"; reg = <1>; enable-method = "spin-table"; cpu-release-addr = <0 0xe0>; };
		cpu@2 { device_type = "cpu"; reg = <2>; enable-method = "spin-table"; cpu-release-addr = <0 0xe8>; };
		cpu@3 { device_type = "cpu"; reg = <3>; enable-method = "spin-table"; cpu-release-addr = <0 0xf0>; };
	};
	serial@3f201000 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x3f201000 0 0x200>; };
};
`

// A machine without PSCI and without a GIC, whose CPUs wait at the addresses of
// a spin table: the second one is started and, by the panic, stopped.
func TestARM64SpinTable(t *testing.T) {
	t.Parallel()
	compiler, err := exec.LookPath("dtc")
	if err != nil {
		t.Skip("dtc is not installed")
	}
	emulator, err := exec.LookPath("qemu-system-aarch64")
	if err != nil {
		t.Skip("qemu-system-aarch64 is not installed")
	}
	g, err := buildARM()
	require.NoError(t, err)
	wrapped, err := bootimage.Wrap(bytes.NewReader(g.file), bootimage.Options{Base: 2 << 20})
	require.NoError(t, err)
	dir := t.TempDir()
	image, source, tree := filepath.Join(dir, "Image"), filepath.Join(dir, "pi.dts"), filepath.Join(dir, "pi.dtb")
	require.NoError(t, os.WriteFile(image, wrapped, 0o600))
	require.NoError(t, os.WriteFile(source, []byte(pi), 0o600))
	text, err := exec.Command(compiler, "-q", "-O", "dtb", "-o", tree, source).CombinedOutput()
	require.NoError(t, err, "%s", text)

	// The board has no way to end by itself.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &serial{}
	c := exec.CommandContext(ctx, emulator, "-M", "raspi3b", "-kernel", image, "-dtb", tree, "-display", "none", "-monitor", "none", "-serial", "stdio")
	c.Stdout, c.Stderr = out, out
	require.NoError(t, c.Start())
	for ctx.Err() == nil && !bytes.Contains([]byte(out.String()), []byte("; reset")) {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	_ = c.Wait() // it was killed
	require.Contains(t, out.String(), "#01")
	t.Log(out)
}
