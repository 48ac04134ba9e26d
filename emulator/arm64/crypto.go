package arm64

func cryptoOpcodes() []opcode { return nil }
