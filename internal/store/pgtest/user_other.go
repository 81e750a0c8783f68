//go:build !unix

package pgtest

import (
	"os"
	"os/exec"
)

var immediate = os.Kill

func owned(string) error { return nil }

func plain(*exec.Cmd) {}
