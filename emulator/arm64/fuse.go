package arm64

// fuse joins instructions of a block that often follow one another.
func fuse(b *block) {}
