package command

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/cli"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const serveHelp = `Serve gRPC and REST.

Addresses are HOST:PORT. A flag counts more than its variable (ASC_GATEWAY_REST, ASC_GATEWAY_GRPC, ASC_GATEWAY_OPS,
ASC_GATEWAY_LISTEN), and that counts more than the configuration.

Where a platform gives only one port, --listen serves gRPC and REST on it: requests over HTTP/2 whose content type is
application/grpc are gRPC.

With --sandbox no team and no key are needed. On other addresses than loopback it asks for a token, which it makes and
prints.`

// serveFlags are what the command line of serve says.
type serveFlags struct {
	file, level             string
	sandbox                 bool
	rest, grpc, ops, listen string
	processing              time.Duration
	world                   sandbox.World
}

func serveCommand(extra []keys.Backend) *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{Use: serveName, Short: "Serve gRPC and REST", Long: serveHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.checkSandbox(cmd.Flags()); err != nil {
				return err
			}
			over, err := f.overrides(os.Getenv)
			if err != nil {
				return err
			}
			return f.run(cmd, over, extra)
		}}
	cmd.Flags().StringVar(&f.file, "config", "", "configuration file (YAML)")
	cmd.Flags().BoolVar(&f.sandbox, "sandbox", false, "use the built-in App Store Connect instead of Apple's")
	cmd.Flags().DurationVar(&f.processing, "processing", 0, "how long the sandbox takes for an upload or a build")
	worldFlags(cmd.Flags(), boxPrefix, &f.world)
	cmd.Flags().StringVar(&f.level, "log-level", "", "debug, info, warn or error; default: as the configuration says")
	cmd.Flags().StringVar(&f.rest, "rest", "", "address of REST; default 127.0.0.1:8080")
	cmd.Flags().StringVar(&f.grpc, "grpc", "", "address of gRPC; default 127.0.0.1:9090")
	cmd.Flags().StringVar(&f.ops, "ops", "", "address of health and metrics; default 127.0.0.1:8081")
	cmd.Flags().StringVar(&f.listen, "listen", "", "one address for REST and gRPC together")
	return cmd
}

// boxPrefix begins the names of the flags that are for --sandbox.
const boxPrefix = "sandbox-"

// checkSandbox refuses what is for --sandbox without it, and what is no value.
func (f *serveFlags) checkSandbox(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(x *pflag.Flag) {
		if err == nil && !f.sandbox && strings.HasPrefix(x.Name, boxPrefix) {
			err = cli.Usage("serve: --" + x.Name + " is for --sandbox")
		}
	})
	if err != nil {
		return err
	}
	return checkWorld("serve", boxPrefix, f.world)
}

// overrides are the flags, and where they are not set the environment.
func (f *serveFlags) overrides(getenv func(string) string) (o config.Overrides, err error) {
	if f.processing != 0 && !f.sandbox || f.processing < 0 {
		return o, cli.Usage("serve: --processing is for --sandbox, and not below zero")
	}
	if f.listen != "" && f.rest+f.grpc != "" {
		return o, cli.Usage("serve: --listen is for REST and gRPC together: drop --rest and --grpc")
	}
	o = config.Overrides{REST: f.rest, GRPC: f.grpc, Ops: f.ops, Address: f.listen, Sandbox: f.sandbox}
	if o.Ops == "" {
		o.Ops = getenv("ASC_GATEWAY_OPS")
	}
	rest, grpc, listen := getenv("ASC_GATEWAY_REST"), getenv("ASC_GATEWAY_GRPC"), getenv("ASC_GATEWAY_LISTEN")
	switch {
	case o.Address != "":
	case o.REST+o.GRPC == "" && listen != "" && rest+grpc != "":
		return o, errors.New("ASC_GATEWAY_LISTEN is for REST and gRPC together: unset ASC_GATEWAY_REST and ASC_GATEWAY_GRPC")
	case o.REST+o.GRPC == "" && listen != "":
		o.Address = listen
	default:
		if o.REST == "" {
			o.REST = rest
		}
		if o.GRPC == "" {
			o.GRPC = grpc
		}
	}
	return o, nil
}

// box is the world of --sandbox.
func (f *serveFlags) box(log *logging) sandbox.World {
	w := f.world
	w.Logger, w.HourLimit, w.Processing = slog.New(log.handler), triedLimit, f.processing
	return w
}

func (f *serveFlags) run(cmd *cobra.Command, over config.Overrides, extra []keys.Backend) (err error) {
	ctx, stdout := cmd.Context(), cmd.OutOrStdout()
	log, err := newLogging(cmd.ErrOrStderr(), f.level)
	if err != nil {
		return err
	}
	if f.file == "" && !f.sandbox {
		fmt.Fprint(stdout, welcome)
		return cli.Usage("serve: missing --config FILE or --sandbox")
	}
	var cfg *config.Config
	if f.file == "" {
		cfg, err = config.DefaultWith(over)
	} else {
		cfg, err = config.ReadWith(f.file, over)
	}
	if err != nil {
		return err
	}
	if f.sandbox {
		return unlessEnded(ctx, serveSandboxed(ctx, cfg, f.box(log), log, stdout))
	}
	return unlessEnded(ctx, serveConfigured(ctx, f.file, cfg, over, extra, log, stdout))
}
