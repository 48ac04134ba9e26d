//go:build !unix

package crashlog_test

// nilSignal is what the runtime calls a nil pointer here.
const nilSignal = "0xc0000005"

func raise(string)   {}
func exhaust()       {}
func writeUnmapped() {}
