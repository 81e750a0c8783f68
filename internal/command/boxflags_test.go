package command

import (
	"io"
	"strings"
	"testing"
)

func TestFlagsOfTheSandboxAreChecked(t *testing.T) {
	for line, want := range map[string]string{
		"sandbox --build-time=-1s":                   "--build-time is not below zero",
		"sandbox --approve 0":                        "--approve is above 0",
		"serve --sandbox --sandbox-approve 2":        "--sandbox-approve is above 0",
		"serve --config x --sandbox-auto-review 30s": "--sandbox-auto-review is for --sandbox",
	} {
		err := Run(t.Context(), strings.Fields(line), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
