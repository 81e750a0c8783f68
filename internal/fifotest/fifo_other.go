//go:build !unix

// Package fifotest makes named pipes for tests: files that hang whoever opens them
// without looking.
package fifotest

import "testing"

// Make makes a named pipe. Where there are none, the test is skipped.
func Make(t testing.TB, _ string) {
	t.Helper()
	t.Skip("this system has no named pipes in its file system")
}
