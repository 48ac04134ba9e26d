package amd64

// specialise gives an instruction a faster operation where there is one for its
// operands.
func specialise(in *inst) {}
