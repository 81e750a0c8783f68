// Package files reads the files that the configuration names: keys, tokens,
// certificates, policies. It also makes new ones that hold secrets.
//
// It must never wait for a file that gives nothing (a FIFO, a terminal, a
// network file system that is away), and never read more than it was told to.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Errors of [Read].
var (
	ErrNotRegular = errors.New("is not a regular file")
	ErrTooLarge   = errors.New("is too large")
	ErrNoAnswer   = errors.New("could not be read in time: is its file system away?")
)

// patience is how long a file may take. A read of a small file from a healthy
// disk takes less than a millisecond.
const patience = 5 * time.Second

// Read returns what is in a regular file of at most so many bytes. Symbolic
// links are followed: Kubernetes mounts secrets behind them. Errors name the
// file and wrap one of this package, or what the system said.
func Read(name string, most int64) ([]byte, error) {
	_, b, err := ReadInfo(name, most)
	return b, err
}

// ReadInfo is [Read] that also tells of the file that was read, such as its
// mode.
func ReadInfo(name string, most int64) (fs.FileInfo, []byte, error) {
	type result struct {
		info fs.FileInfo
		b    []byte
		err  error
	}
	done := make(chan result, 1) // a read that hangs in the system ends there, and nobody waits for it
	go func() {
		info, b, err := read(name, most)
		done <- result{info, b, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.info, r.b, r.err
	case <-timer.C:
		return nil, nil, fmt.Errorf("%s %w", name, ErrNoAnswer)
	}
}

// Open opens a regular file of any size for reading, such as an audit log. It
// does not wait for what is none. The caller closes it.
func Open(name string) (*os.File, fs.FileInfo, error) {
	// Without O_NONBLOCK, opening a FIFO waits for who writes to it.
	f, err := os.OpenFile(name, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s %w", name, ErrNotRegular)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Create makes a file that only its owner can read and write. It writes to no
// file that is there already, and through no symbolic link: then the error is
// [fs.ErrExist]. After an error nothing is left behind.
func Create(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|noFollow, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

func read(name string, most int64) (fs.FileInfo, []byte, error) {
	f, info, err := Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1)) // Size may lie, as that of files in /proc
	switch {
	case err != nil:
		return nil, nil, err
	case int64(len(b)) > most:
		return nil, nil, fmt.Errorf("%s %w: at most %d bytes", name, ErrTooLarge, most)
	}
	return info, b, nil
}
