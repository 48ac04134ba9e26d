package arm64

import "math/bits"

func trailing(v uint64) uint8 { return uint8(bits.TrailingZeros64(v)) }

func immediateOpcodes() []opcode { return nil }
func registerOpcodes() []opcode  { return nil }
func loadOpcodes() []opcode      { return nil }
func pairOpcodes() []opcode      { return nil }
func branchOpcodes() []opcode    { return nil }
func systemOpcodes() []opcode    { return nil }
