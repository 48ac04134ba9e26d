package arm64

// feature is a set of what a CPU may have beyond ARMv8.0 (DDI 0487 A2.2).
type feature uint64

const (
	featureCRC32 feature = 1 << iota
	featureAES
	featurePMULL
	featureSHA1
	featureSHA256
	featureSHA512
	featureSHA3
	featureLSE
	featureRDM
	featureDotProd
	featureFP16
	featureFHM
	featureJSCVT
	featureFCMA
	featureLRCPC
	featureLRCPC2
	featureFlagM
	featureFlagM2
	featureFRINT
	featureDIT
	featureSB
	featureSSBS
	featureRNG
	featureDPB
	featurePAN
	featureUAO
	featureVHE
	featureHPDS
	feature16K
	featureLPA  // 52-bit addresses with 64 KiB granules: LPA and LVA
	featureLPA2 // and with the others
	featureCNP
	featureHAFDBS
	featureTLBRange
	featureTLBOuter
)

// Model names a CPU, as QEMU does.
type Model string

// The models. CortexA53, CortexA57 and CortexA72 are ARMv8.0 with CRC32 and the
// cryptographic extension; NeoverseN1 is of ARMv8.2 what this package knows; Max
// has everything that it knows.
const (
	CortexA53  Model = "cortex-a53"
	CortexA57  Model = "cortex-a57"
	CortexA72  Model = "cortex-a72"
	NeoverseN1 Model = "neoverse-n1"
	Max        Model = "max"
)

const (
	featuresA57 = featureCRC32 | featureAES | featurePMULL | featureSHA1 | featureSHA256
	featuresN1  = featuresA57 | featureLSE | featureLRCPC | featurePAN | featureUAO | featureVHE | featureHPDS | feature16K | featureCNP | featureDPB
	featuresMax = featuresN1 | featureSB | featureLPA | featureFlagM | featureDIT | featureSHA512 | featureSHA3 | featureLRCPC2
)

// Models are all models that there are.
func Models() []Model { return []Model{CortexA53, CortexA57, CortexA72, NeoverseN1, Max} }

// model is what is known about one: MIDR_EL1 (as in the CPUs' technical reference
// manuals), and how many bits physical addresses have.
type model struct {
	midr         uint64
	physicalBits int
	features     feature
}

// details of a model; of one that there is not those of CortexA57.
func (m Model) details() model {
	switch m {
	case CortexA53:
		return model{0x410fd034, 40, featuresA57}
	case CortexA72:
		return model{0x410fd083, 44, featuresA57}
	case NeoverseN1:
		return model{0x414fd0c1, 48, featuresN1}
	case Max:
		return model{0x000f0510, 52, featuresMax}
	}
	return model{0x411fd070, 44, featuresA57}
}

func (m Model) features() feature { return m.details().features }

// identity are the ID registers of a CPU.
type identity struct {
	midr, ctr, dczid                 uint64
	pfr0, pfr1, dfr0, dfr1           uint64
	isar0, isar1, isar2              uint64
	mmfr0, mmfr1, mmfr2              uint64
	clidr                            uint64
	ccsidr                           [2][2]uint64 // by level, data and instruction
	physicalBits, asidBits, lineSize int
}

// field puts value where has has all of f.
func field(has, f feature, value uint64, shift int) uint64 {
	if has&f == f {
		return value << shift
	}
	return 0
}

// newIdentity works the ID registers out (DDI 0487 D24.2, ID_AA64...).
func newIdentity(config *Config, has feature) *identity {
	m := config.Model.details()
	id := &identity{
		midr: m.midr, ctr: 0x8444c004, dczid: 4, clidr: 0x0a200023,
		ccsidr:       [2][2]uint64{{0x701fe00a, 0x201fe012}, {0x70ffe07a, 0}},
		physicalBits: m.physicalBits, asidBits: 16, lineSize: 64,
		pfr0: 0x11, dfr0: 0x0010_1006,
	}
	if config.EL2 {
		id.pfr0 |= 1 << 8
	}
	if config.Interrupts != nil {
		id.pfr0 |= 1 << 24
	}
	id.pfr0 |= field(has, featureFP16, 1, 16) | field(has, featureFP16, 1, 20) | field(has, featureDIT, 1, 48)
	id.pfr1 |= field(has, featureSSBS, 1, 4)
	id.isar0 = field(has, featureAES, 1, 4) + field(has, featurePMULL, 1, 4) | field(has, featureSHA1, 1, 8) |
		field(has, featureSHA256, 1, 12) + field(has, featureSHA512, 1, 12) | field(has, featureCRC32, 1, 16) | field(has, featureLSE, 2, 20) |
		field(has, featureRDM, 1, 28) | field(has, featureSHA3, 1, 32) | field(has, featureDotProd, 1, 44) | field(has, featureFHM, 1, 48) |
		field(has, featureFlagM, 1, 52) + field(has, featureFlagM2, 1, 52) | field(has, featureTLBOuter, 1, 56) + field(has, featureTLBRange, 1, 56) |
		field(has, featureRNG, 1, 60)
	id.isar1 = field(has, featureDPB, 1, 0) | field(has, featureJSCVT, 1, 12) | field(has, featureFCMA, 1, 16) |
		field(has, featureLRCPC, 1, 20) + field(has, featureLRCPC2, 1, 20) | field(has, featureFRINT, 1, 32) | field(has, featureSB, 1, 36)
	id.mmfr0 = 2<<4 | field(has, feature16K, 1, 20)
	id.mmfr0 |= map[int]uint64{40: 2, 44: 4, 48: 5, 52: 6}[id.physicalBits] // PARange
	if has&featureLPA2 != 0 {
		id.mmfr0 = id.mmfr0&^(15<<20) | 2<<20 | 1<<28
	}
	id.mmfr1 = field(has, featureHAFDBS, 2, 0) | field(has, featureVHE, 1, 8) | field(has, featureHPDS, 1, 12) | field(has, featurePAN, 1, 20)
	id.mmfr2 = field(has, featureCNP, 1, 0) | field(has, featureUAO, 1, 4) | field(has, featureLPA, 1, 16)
	return id
}
