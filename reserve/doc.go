// Package reserve prepares the memory that a rescue program lives in.
//
// A reservation is one block of physical memory, divided into parts
// (handoff.Part). The way of one:
//
//   - [Find] finds room for it in the host's memory map.
//   - [OpenImage] reads the rescue program's ELF file.
//   - [New] plans: it looks for what an earlier boot left at the place
//     ([Plan.Earlier]), lays the parts out, builds page tables and trampoline
//     for the addresses they will have, and computes all seals. Nothing is
//     written. The same [Request] gives the same plan. All that can fail but
//     for the memory itself fails here.
//   - [Plan.Report] says what each part costs, and what this host needs at
//     least. A reservation below that is refused ([TooSmallError]).
//   - [Plan.Populate] writes the plan and reads it back.
//   - [Open] opens a reservation from the other side: in the rescue program,
//     or in a tool that has a copy of the memory. It checks the seals and
//     names the parts whose seal is broken.
//
// Seals come in two stages. The first, CRC-32C, covers all that the jump
// relies on: block, trampoline, page tables, image. The panic path checks it
// with plain loads from the block's seal table. The second, SHA-256, covers
// what the rescue program relies on: its text and read-only data, environment,
// metadata, dump parameters. What nobody relies on has no seal: panic area,
// records, stacks, and memory that is free.
//
// Memory is reached through package physmem, so reservations are prepared and
// inspected on any machine. Addresses are physical and sizes in bytes; parts
// lie on pages of 4096 bytes.
package reserve
