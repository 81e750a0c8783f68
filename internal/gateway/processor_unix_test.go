//go:build unix

package gateway

import (
	"syscall"
	"testing"
)

// processorTime reports the time that processors spend on an operation: on a
// machine with other work it says more than the clock. It is called to begin;
// the function returned ends.
func processorTime(b *testing.B) (end func()) {
	spent := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := spent()
	return func() { b.ReportMetric(float64(spent()-before)/float64(b.N), "cpu-ns/op") }
}
