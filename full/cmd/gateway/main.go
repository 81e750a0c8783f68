// Command gateway is the App Store Connect gateway with the cloud custodies:
// awskms: and gcpkms: beside file: and vault:.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/asc-gateway/asc-gateway/full/awskms"
	"github.com/asc-gateway/asc-gateway/full/gcpkms"
	"github.com/asc-gateway/asc-gateway/internal/command"
	"github.com/asc-gateway/asc-gateway/internal/signals"
)

func main() {
	ctx, stop := signals.Context(context.Background())
	defer stop()
	ctx = command.WithHangups(ctx, signals.Hangups())
	if err := command.Run(ctx, os.Args[1:], os.Stdout, os.Stderr, &awskms.Backend{}, &gcpkms.Backend{}); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(command.ExitCode(err))
	}
}
