package drill

// Result is what a drill saw. As JSON its keys are stable; what a machine
// cannot tell is null.
type Result struct {
	OK           bool   `json:"ok"`
	Machine      string `json:"machine"`
	Arch         string `json:"arch"`
	MemoryBytes  uint64 `json:"memory_bytes"`
	PanicKind    string `json:"panic_kind"`
	PanicMessage string `json:"panic_message"`

	ReservationBytes uint64 `json:"reservation_bytes"`
	ReservationParts []Part `json:"reservation_parts"`

	HandoffInstructions *uint64 `json:"handoff_instructions"`
	GuestInstructions   *uint64 `json:"guest_instructions"`
	PanicToRecord       int64   `json:"panic_to_record_ns"`
	PanicToFirstByte    int64   `json:"panic_to_first_byte_ns"`
	EntryToMain         int64   `json:"entry_to_main_ns"`

	DumpPages        uint64 `json:"dump_pages"`
	DumpBytes        int64  `json:"dump_bytes"`
	CompressedBytes  int64  `json:"compressed_bytes"`
	VerifiedPages    uint64 `json:"verified_pages"`
	MismatchedPages  uint64 `json:"mismatched_pages"`
	HostBytesChanged uint64 `json:"host_bytes_changed"`
	// HostWrites is how many writes there were to the host's memory since the
	// panic, the message buffer's not counted.
	HostWrites *uint64 `json:"host_writes"`

	Wall   int64   `json:"wall_ns"`
	Phases []Phase `json:"phases"`

	// Log is the end of the host's message buffer, as the dump has it.
	Log string `json:"log"`
	// Disk is the file with the dump.
	Disk string `json:"disk"`
}

// Part is what one part of the reservation costs.
type Part struct {
	Name  string `json:"name"`
	Bytes uint64 `json:"bytes"`
}
