package arm64

// Faster forms of common operations, by the instruction's name.
var (
	fastThreeSame   = map[string]operation{}
	fastTwoRegister = map[string]operation{}
)
