// Baremetal is a host on a bare-metal Go runtime that is not this module's: it shows
// all that such a host has to bring. Nothing of package kernel is linked, and nothing of
// the other runtime is imported: it is reached through Board, a handful of things that
// every such runtime's board support has under some name.
//
//	board.go       what the runtime has to give
//	platform.go    rescue.Platform made of it: facts, page bitmap, message buffer
//	fault.go       what is called where the runtime catches its panics and exceptions
//	demonstration.go  a Board to try it all with
//
// Copy the first three and write a Board of your own. This program has one that lives in
// a process: run it anywhere, and its host arms, panics, hands over to the rescue program
// on an emulated machine, and shows the dump:
//
//	go run ./examples/baremetal [vmcore]
//
// With a file's name it leaves the disk there: `dumper info vmcore`.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/seed64aab995/rescuekernel/rescue"
)

func main() {
	disk := ""
	if len(os.Args) > 1 {
		disk = os.Args[1]
	}
	if err := run(context.Background(), os.Stdout, disk); err != nil {
		fmt.Fprintln(os.Stderr, "baremetal:", err)
		os.Exit(1)
	}
}

// run boots, arms and panics the host, and tells of the dump.
func run(ctx context.Context, out io.Writer, disk string) error {
	board, err := newDemonstration()
	if err != nil {
		return err
	}
	defer board.close()
	platform, err := newPlatform(board)
	if err != nil {
		return err
	}
	// The first thing in the host's main, before devices are up.
	armed, err := rescue.Arm(rescue.Config{
		Platform: platform,
		Image:    board.image(),
		Targets:  board.targets(),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "armed %v\n", armed.Reservation())

	// The host works: what it allocates is in the dump, and so is its log.
	ledger, err := platform.allocate(8192)
	if err != nil {
		return err
	}
	memory, err := platform.Memory()
	if err != nil {
		return err
	}
	if _, err := memory.WritePhysical([]byte("debit 100, credit 99"), ledger.Start); err != nil {
		return err
	}
	platform.log("ledger: does not balance\n")

	// The runtime's exception handler calls this with what it has saved.
	platform.fault(frame{vector: 14, errorCode: 2, address: 0xdead, pc: 0x401000, sp: board.stack()})
	return board.tell(ctx, out, ledger, disk)
}
