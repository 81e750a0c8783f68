//go:build unix

package command

import "syscall"

// keptDescriptors are for files, Apple, Redis and logs.
const keptDescriptors = 256

// descriptorsFor is how many connections each of some faces may have, so that no
// face takes the last file descriptor from the others: those of ops must go on.
func descriptorsFor(faces int) int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || l.Cur > 1<<20 {
		return 1 << 20
	}
	return max((int(l.Cur)-keptDescriptors)/faces, 16)
}
