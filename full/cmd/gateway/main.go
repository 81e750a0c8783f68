// Command gateway is the App Store Connect gateway with the cloud custodies:
// awskms: and gcpkms: beside file: and vault:.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/asc-gateway/asc-gateway/full/awskms"
	"github.com/asc-gateway/asc-gateway/full/gcpkms"
	"github.com/asc-gateway/asc-gateway/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command.Run(ctx, os.Args[1:], os.Stdout, os.Stderr, &awskms.Backend{}, &gcpkms.Backend{}); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}
