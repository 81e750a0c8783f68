//go:build unix

package uploads

import "golang.org/x/sys/unix"

// mapMemory gets memory from the system; unmap gives it back for good.
func mapMemory(n int) (b []byte, unmap func([]byte)) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil { // there is a limit on what is mapped: Go's heap will do
		return make([]byte, n), func([]byte) {}
	}
	return b, func(b []byte) { _ = unix.Munmap(b) }
}

// idleMemory lets the system have memory whose content is of no use any more.
func idleMemory(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
