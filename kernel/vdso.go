package kernel

// buildVDSO writes the smallest shared object that the runtime's vdsoauxv
// accepts into a cleared page at b: one symbol, name, whose address is offset
// (which may be beyond the object) from that of the object.
// With it nanotime and time.Now are no system calls. Elf64 offsets (gABI).
//
//go:nosplit
func buildVDSO(b uintptr, name string, offset uintptr) {
	const (
		programHeaders = 64
		dynamic        = 0x100
		strings        = 0x200
		symbols        = 0x280
		hash           = 0x300
		versions       = 0x380
	)
	store64(b+32, programHeaders) // e_phoff
	store64(b+56, 2)              // e_phnum at 56
	store64(b+programHeaders, 1)  // PT_LOAD, offset 0, address 0
	store64(b+programHeaders+40, pageSize)
	store64(b+programHeaders+56, 2) // PT_DYNAMIC
	store64(b+programHeaders+64, dynamic)
	store64(b+dynamic, 5) // DT_STRTAB
	store64(b+dynamic+8, strings)
	store64(b+dynamic+16, 6) // DT_SYMTAB
	store64(b+dynamic+24, symbols)
	store64(b+dynamic+32, 4) // DT_HASH
	store64(b+dynamic+40, hash)
	store64(b+dynamic+48, 0x6ffffffc) // DT_VERDEF
	store64(b+dynamic+56, versions)
	putString(b+strings+1, name)
	store32(b+symbols+24, 1)          // st_name
	store32(b+symbols+28, 0x12|1<<16) // st_info: global function; st_shndx 1
	store64(b+symbols+32, offset)
	store32(b+hash, 1)           // nbucket
	store32(b+hash+4, 2)         // nchain
	store64(b+hash+8, 1)         // bucket 0: symbol 1
	store64(b+versions, 1|1<<16) // vd_version 1, VER_FLG_BASE
}

// putString writes s and a zero byte.
//
//go:nosplit
func putString(p uintptr, s string) { putBytes(p, stringAddress(s), uintptr(len(s))) }

// putBytes copies n bytes from q to p and adds a zero byte.
//
//go:nosplit
func putBytes(p, q, n uintptr) {
	for i := uintptr(0); i < n; i++ {
		store8(p+i, load8(q+i))
	}
	store8(p+n, 0)
}
