package main

// handoffARM64 is the hand-off. It lies at the start of a page; the fields of
// the same page hold what it needs. It returns to nobody.
func handoffARM64()

func init() { code = append(code, handoffARM64) }
