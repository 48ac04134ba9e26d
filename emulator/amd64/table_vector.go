package amd64

var threeByte38, threeByte3A [4][256]opcode

func vectorEntries(t *[4][256]opcode) {}
