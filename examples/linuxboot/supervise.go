package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/seed64aab995/rescuekernel/record"
)

// tail keeps the end of what is written to it.
type tail struct {
	text []byte
	most int
}

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-t.most):]
	return len(p), nil
}

// A service that dies at once is restarted after a pause that doubles, so that it
// leaves the machine to those who look for the reason.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 10 * time.Second
)

// supervise runs the service, again and again. Its faults are recorded within the
// reporting window; after that it is restarted, whatever became of the record.
func (k *keeper) supervise(ctx context.Context, s settings) error {
	if len(s.service) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	reporter := &record.Reporter{Area: k.area}
	pause := firstPause
	for generation := uint32(0); ; generation++ {
		said := &tail{most: 1024}
		service := exec.CommandContext(ctx, s.service[0], s.service[1:]...)
		service.Stdout, service.Stderr = os.Stdout, io.MultiWriter(os.Stderr, said)
		began := time.Now()
		err := service.Run()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			return nil // it is done
		}
		r := record.Record{
			Class: record.ClassTaskExit, Source: s.service[0], Generation: generation, CPU: record.NoCPU,
			Uptime: uint64(time.Since(began)), Message: err.Error(), Trace: string(said.text),
		}
		// An error says that the record is lost, which is counted.
		_ = errors.Join(reporter.Report(ctx, "service", r), k.save())
		if s.restarts >= 0 && int(generation) >= s.restarts {
			return fmt.Errorf("%s: %w, after %d restarts", s.service[0], err, generation)
		}
		if pause = min(2*pause, longestPause); time.Since(began) > longestPause {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
