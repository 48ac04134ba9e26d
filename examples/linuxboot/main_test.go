package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed64aab995/rescuekernel/record"
	"github.com/seed64aab995/rescuekernel/record/listing"
	"github.com/seed64aab995/rescuekernel/rescue/crashlog"
)

// environment makes this test's program one of those that a test needs.
const environment = "LINUXBOOT_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(environment) {
	case "service": // dies
		os.Stderr.WriteString("the ledger is torn\n")
		os.Exit(3)
	case "done":
		os.Exit(0)
	case "init": // dies of a bug of its own
		if _, err := crashlog.Start(crashlog.Config{Directory: filepath.Join(os.Getenv(environment+"_STATE"), "crash"), Name: "init"}); err != nil {
			os.Exit(99)
		}
		panic("the init is broken")
	}
	os.Exit(m.Run())
}

func program(t *testing.T, what string, extra ...string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(append(os.Environ(), environment+"="+what), extra...)
	require.Error(t, c.Run())
}

func service(t *testing.T, what string) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	t.Setenv(environment, what)
	return []string{self}
}

// entries are the records in the state folder's area.
func entries(t *testing.T, state string) []listing.Entry {
	t.Helper()
	memory, err := os.ReadFile(filepath.Join(state, "records"))
	require.NoError(t, err)
	contents, err := record.Parse(memory)
	require.NoError(t, err)
	list, broken := listing.Select(contents, listing.Filter{Class: "task"})
	require.Zero(t, broken)
	return list
}

func TestServiceDies(t *testing.T) {
	state := t.TempDir()
	var log bytes.Buffer
	s := settings{state: state, pstore: t.TempDir(), restarts: 2, service: service(t, "service")}
	require.ErrorContains(t, run(t.Context(), s, slog.New(slog.NewTextHandler(&log, nil))), "after 2 restarts")
	list := entries(t, state)
	require.Len(t, list, 3)
	for i, e := range list {
		require.Equal(t, record.ClassTaskExit, e.Class)
		require.Equal(t, uint32(i), e.Generation)
		require.Equal(t, "the ledger is torn\n", e.Trace)
		require.Contains(t, e.Message, "3")
	}
	require.Contains(t, log.String(), "class=task.fault.exit")

	// The next run has them still: nobody has acknowledged them.
	s.service = service(t, "done")
	require.NoError(t, run(t.Context(), s, slog.New(slog.DiscardHandler)))
	require.Len(t, entries(t, state), 3)
}

func TestInitDied(t *testing.T) {
	state := t.TempDir()
	program(t, "init", environment+"_STATE="+state)
	s := settings{state: state, pstore: filepath.Join(state, "none"), service: service(t, "done")}
	for range 2 {
		require.NoError(t, run(t.Context(), s, slog.New(slog.DiscardHandler)))
		list := entries(t, state)
		require.Len(t, list, 1)
		require.Equal(t, "the init is broken", list[0].Message)
		require.Equal(t, record.ClassTaskPanic, list[0].Class)
	}
}

// What Linux left in pstore becomes records once.
func TestKernelDied(t *testing.T) {
	state, pstore := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(pstore, "dmesg-ramoops-0"), []byte("Panic#1 Part1\n<0>[    1.0] Kernel panic - not syncing: sysrq triggered crash\n"), 0o600))
	s := settings{state: state, pstore: pstore, service: service(t, "done")}
	for range 2 {
		require.NoError(t, run(t.Context(), s, slog.New(slog.DiscardHandler)))
		memory, err := os.ReadFile(filepath.Join(state, "records"))
		require.NoError(t, err)
		contents, err := record.Parse(memory)
		require.NoError(t, err)
		list, _ := listing.Select(contents, listing.Filter{Class: "host.fault"})
		require.Len(t, list, 1)
		require.Contains(t, list[0].Message+list[0].Trace, "sysrq triggered crash")
	}
}

func TestServesHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, settings{state: t.TempDir(), pstore: t.TempDir(), listen: address}, slog.New(slog.DiscardHandler))
	}()
	var body []byte
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + address + "/records/?format=text")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err = io.ReadAll(response.Body)
		return err == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
	require.Contains(t, string(body), record.ClassLoss)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}
