//go:build unix

// Package fifotest makes named pipes for tests: files that hang whoever opens them
// without looking.
package fifotest

import (
	"syscall"
	"testing"
)

// Make makes a named pipe. Where there are none, the test is skipped.
func Make(t testing.TB, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}
