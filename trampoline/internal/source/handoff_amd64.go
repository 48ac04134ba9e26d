package main

// handoffAMD64 is the hand-off. It lies at the start of a page; the fields of
// the same page hold what it needs. It returns to nobody.
func handoffAMD64()

// interruptAMD64 is what NMI, #DB and #MC come to while the hand-off runs.
func interruptAMD64()

func init() { code = append(code, handoffAMD64, interruptAMD64) }
