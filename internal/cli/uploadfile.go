package cli

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads/inspect"
)

// chunkBytes is how much of a file goes into a message. The gateway takes 512 KiB.
const chunkBytes = 256 << 10

// sendFile is a file on this computer that is uploaded.
type sendFile struct {
	*os.File
	path string // as it was given
	abs  string
	info fs.FileInfo // when it was opened
}

// openFile opens a file that has bytes.
func openFile(path string) (*sendFile, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, info, err := files.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef("%s: there is no such file", clip(path))
	case err != nil:
		return nil, usagef("%s cannot be read: %v", clip(path), err)
	case info.Size() == 0:
		f.Close()
		return nil, usagef("%s is empty", clip(path))
	}
	return &sendFile{File: f, path: path, abs: abs, info: info}, nil
}

func (f *sendFile) base() string { return filepath.Base(f.path) }

func (f *sendFile) size() int64 { return f.info.Size() }

// changedError says that a file is not what it was when it was opened.
type changedError struct{ path string }

func (e *changedError) Error() string {
	return clip(e.path) + " changed while it was sent: nothing was committed"
}

// ExitCode implements the interface that [ExitCode] looks for.
func (*changedError) ExitCode() int { return ExitConflict }

// localError is an error with the file, and not with the gateway.
type localError struct{ error }

// Unwrap is for [ExitCode].
func (e *localError) Unwrap() error { return e.error }

// local are errors of reading the file.
func (f *sendFile) local(err error) error {
	var changed *changedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		err = &changedError{f.path}
	case !errors.As(err, &changed) && !errors.Is(err, context.Canceled):
		err = fmt.Errorf("%s cannot be read: %w", clip(f.path), err)
	}
	return &localError{err}
}

// unchanged says whether the file is still as it was: what is open, and what has its
// name.
func (f *sendFile) unchanged() error {
	for _, stat := range []func() (fs.FileInfo, error){f.Stat, func() (fs.FileInfo, error) { return os.Stat(f.abs) }} {
		now, err := stat()
		if err != nil || now.Size() != f.size() || !now.ModTime().Equal(f.info.ModTime()) || !os.SameFile(now, f.info) {
			return &changedError{f.path}
		}
	}
	return nil
}

// sums are SHA-256 and MD5 of the file, in hexadecimal digits.
func (f *sendFile) sums(ctx context.Context) (sha, sum string, err error) {
	a, b := sha256.New(), md5.New()
	n, err := io.Copy(io.MultiWriter(a, b), &untilDone{ctx, io.NewSectionReader(f, 0, f.size())})
	if err == nil && n != f.size() {
		err = &changedError{f.path}
	}
	return hex.EncodeToString(a.Sum(nil)), hex.EncodeToString(b.Sum(nil)), f.local(err)
}

// untilDone reads until a context is done.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

// Read implements [io.Reader].
func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, u.ctx.Err()
	}
	return u.r.Read(p)
}

// look tells what the file is by its first bytes.
func (f *sendFile) look() (inspect.Content, error) {
	head := make([]byte, min(inspect.HeadSize, f.size()))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return inspect.Content{}, usagef("%s cannot be read", clip(f.path))
	}
	return inspect.Look(f.base(), head, f.size()), nil
}

// pieces gives the file in pieces, from an offset on. What is wrong with the file is
// a localError.
func (f *sendFile) pieces(offset int64, send func(offset int64, data []byte) error) error {
	for offset < f.size() {
		b := make([]byte, min(chunkBytes, f.size()-offset)) // gRPC may hold it beyond the call
		n, err := f.ReadAt(b, offset)
		if n == len(b) {
			err = f.unchanged()
		}
		if err != nil {
			return f.local(err)
		}
		if err := send(offset, b); err != nil {
			return err
		}
		offset += int64(n)
	}
	return nil
}

// bytesText is a number of bytes for people, such as 12.3 MiB.
func bytesText(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
