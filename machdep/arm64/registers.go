package arm64

// MAIR is MAIR_EL1 (DDI 0487 D17.2.97): eight bytes, each a kind of memory that
// an Entry's AttributeIndex chooses.
type MAIR uint64

// Kinds of memory.
const (
	MAIRDeviceNGnRnE    = 0x00
	MAIRNormalWriteBack = 0xff
)
