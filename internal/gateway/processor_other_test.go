//go:build !unix

package gateway

import "testing"

// processorTime reports nothing: this system has no getrusage.
func processorTime(*testing.B) (end func()) { return func() {} }
