package crashlog_test

import (
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/rescue/crashlog"
)

// An init looks for what ended the one before it.
func Example() {
	directory, err := os.MkdirTemp("", "crashlog")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(directory)

	log, err := crashlog.Start(crashlog.Config{Directory: directory, Name: "init"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close()
	if last, died := log.Previous(); died {
		fmt.Println("the last init died of:", last.Kind, last.Message)
	} else {
		fmt.Println("the last init ended well, or there was none")
	}
	// Output: the last init ended well, or there was none
}

func ExampleParse() {
	c := crashlog.Parse([]byte("panic: torn ledger\n\ngoroutine 7 [running]:\nmain.(*ledger).add(0xc000012345, 0x7)\n\t/ledger.go:12 +0x1d\n"))
	fmt.Printf("%s: %s, in goroutine %d at %s\n", c.Kind, c.Message, c.Goroutine, c.Function)
	// Output: panic: torn ledger, in goroutine 7 at main.(*ledger).add
}
