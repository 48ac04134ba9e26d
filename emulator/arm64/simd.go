package arm64

func simdOpcodes() []opcode { return nil }
