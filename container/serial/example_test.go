package serial_test

import (
	"bytes"
	"fmt"
	"os"

	"github.com/seed64aab995/rescuekernel/container/serial"
)

// A dump goes over a line that a console shares, and some of it is lost.
func Example() {
	var line bytes.Buffer
	line.WriteString("rescue: here is the dump\n")
	w := serial.NewWriter(&line, 42)
	if err := w.Begin(nil, nil); err != nil {
		fmt.Println(err)
	}
	for _, text := range []string{"first ", "second ", "third"} {
		if _, err := w.Write([]byte(text)); err != nil {
			fmt.Println(err)
		}
	}
	if err := w.Close(true); err != nil {
		fmt.Println(err)
	}
	noisy := bytes.Replace(line.Bytes(), []byte("second"), []byte("sec"), 1)

	var out file
	r := serial.NewReceiver(&out, os.Stdout)
	if _, err := r.Write(noisy); err != nil {
		fmt.Println(err)
	}
	report, err := r.Finish()
	fmt.Printf("%q %v %v %v\n", out.b, report.Lost, report.Complete(), err)
	// Output:
	// rescue: here is the dump
	// "first \x00\x00\x00\x00\x00\x00\x00third" [{6 13}] false <nil>
}
