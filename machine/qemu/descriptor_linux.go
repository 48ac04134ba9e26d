package qemu

// descriptorDirectory is where a process finds its own open files by number.
const descriptorDirectory = "/proc/self/fd/"
