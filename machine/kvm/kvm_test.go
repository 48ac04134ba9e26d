package kvm_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/machine"
	"github.com/seed64aab995/rescuekernel/machine/kvm"
	"github.com/seed64aab995/rescuekernel/machine/machinetest"
)

func TestSmoke(t *testing.T) {
	code := []byte{
		0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xb0, 'H', 0xee, // mov al, 'H'; out dx, al
		0xb0, 'i', 0xee,
		0x66, 0xba, 0xf4, 0x00, // mov dx, 0xf4
		0xb0, 7, 0xee,
		0xf4, // hlt
	}
	for _, p := range []machine.Protocol{machine.Linux64, machine.PVH} {
		var serial bytes.Buffer
		start := time.Now()
		m, err := kvm.New(machine.Config{Serial: &serial, Boot: machine.Boot{Image: machinetest.Image(code), Protocol: p}})
		require.NoError(t, err)
		t.Log("new", time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		exit, err := m.RunTo(ctx, machinetest.Entry)
		require.NoError(t, err)
		t.Log(exit, time.Since(start))
		exit, err = m.Step(ctx, 0)
		require.NoError(t, err)
		t.Log(exit, time.Since(start))
		exit, err = m.Step(ctx, 0)
		require.NoError(t, err)
		t.Log(exit, time.Since(start))
		exit, err = m.Step(ctx, 0)
		require.NoError(t, err)
		t.Log(exit, time.Since(start))
		exit, err = m.Run(ctx)
		require.NoError(t, err)
		t.Log(exit, time.Since(start), serial.String())
		st, err := m.State(0)
		require.NoError(t, err)
		t.Logf("%+x", st)
		exit, err = m.Run(ctx)
		require.NoError(t, err)
		t.Log(exit)
		require.NoError(t, m.Close())
	}
}
