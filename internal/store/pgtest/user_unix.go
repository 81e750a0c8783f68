//go:build unix

package pgtest

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// immediate ends PostgreSQL without a checkpoint.
const immediate = syscall.SIGQUIT

// whom PostgreSQL runs as: it refuses to run as root.
func whom() (uid, gid int, needed bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ = strconv.Atoi(u.Uid)
			gid, _ = strconv.Atoi(u.Gid)
			return uid, gid, true
		}
	}
	return 0, 0, false
}

// owned gives a folder to whom PostgreSQL runs as.
func owned(dir string) error {
	uid, gid, needed := whom()
	if !needed {
		return nil
	}
	return os.Chown(dir, uid, gid)
}

// plain makes a command run as somebody who is not root.
func plain(cmd *exec.Cmd) {
	if uid, gid, needed := whom(); needed {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
}
