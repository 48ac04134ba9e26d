package arm64

func floatOpcodes() []opcode { return nil }
