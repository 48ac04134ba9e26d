// Command guest is what the tests of package kernel boot. Its first argument
// names a scenario; it ends with status 0 if all went well.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/seed64aab995/rescuekernel/kernel"
)

var scenarios = map[string]func(arguments []string){
	"hello":     func([]string) { fmt.Println("hello from main") },
	"boot":      boot,
	"run":       run,
	"collect":   collect,
	"nil":       recovered,
	"traceback": traceback,
	"wild":      wild,
	"overflow":  overflow,
	"recursion": recursion,
	"exhaust":   exhaust,
	"nmi":       interrupted,
	"protect":   protect,
	"compress":  compress,
	"sleep":     sleep,
	"deadlock":  func([]string) { select {} },
	"exit":      func(a []string) { n, _ := strconv.Atoi(a[0]); os.Exit(n) },
	"panic":     func([]string) { kernel.Panic("as asked for") },
	"hook":      hook,
	"memory":    memory,
	"files":     files,
	"input":     input,
	"figures":   figures,
	"touch":     touch,
	"arm":       arm,
	"cpu":       secondCPU,
}

func main() {
	entered := kernel.SinceEntry()
	if os.Args[0] == "rescue" {
		mainTime = time.Duration(entered)
		rescued()
		return
	}
	if len(os.Args) < 2 || scenarios[os.Args[1]] == nil {
		fmt.Println("usage: guest scenario")
		os.Exit(64)
	}
	mainTime = time.Duration(entered)
	scenarios[os.Args[1]](os.Args[2:])
	fmt.Println("scenario done")
}

// mainTime is how long after the entry main began.
var mainTime time.Duration

// check ends the program when something is not as it must be.
func check(ok bool, format string, a ...any) {
	if !ok {
		fmt.Printf("FAILED: "+format+"\n", a...)
		os.Exit(1)
	}
}

func must[T any](v T, err error) T {
	check(err == nil, "%v", err)
	return v
}
