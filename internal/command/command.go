// Package command is the command line of the gateway. The program of
// cmd/gateway is this and nothing else; another program may add custody
// backends of its own.
package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/asc-gateway/asc-gateway/internal/cli"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	engine "github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/spf13/cobra"
)

const welcome = `The App Store Connect gateway: one service, all of Apple's App Store Connect API, over gRPC and REST.

Try it with nothing but this program:
  gateway serve --sandbox
  gateway call --sandbox ListApps page_size=2

Run it for real, with a key of your own:
  gateway serve --config gateway.yaml

    # gateway.yaml
    teams:
      - name: main
        keys:
          - id: 2X9R4HXF34                    # App Store Connect > Users and Access > Integrations
            issuer_id: 57246542-96fe-1a63-e053-0824d011072a
            uri: file:AuthKey_2X9R4HXF34.p8
`

// Run is the whole program: it returns when ctx ends or the command has done
// its work. extra are custodies beside the default ones.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer, extra ...keys.Backend) error {
	cmd := rootCommand(extra)
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	inPlainWords(cmd)
	return usage(cmd, cmd.ExecuteContext(ctx))
}

// ExitCode is the exit code of an error of [Run]: `gateway call --help` lists
// them.
func ExitCode(err error) int { return cli.ExitCode(err) }

func rootCommand(extra []keys.Backend) *cobra.Command {
	root := &cobra.Command{Use: "gateway", Short: "The App Store Connect gateway", SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Name() == serveName {
				return nil
			}
			return endOnHangup(cmd.Context())
		},
		Long:    welcome,
		Version: version(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	root.SetVersionTemplate("gateway {{.Version}}\n")
	root.AddCommand(cli.Commands(cli.Deps{Getenv: os.Getenv, ConfigDir: os.UserConfigDir, CacheDir: os.UserCacheDir,
		Sandbox: sandboxForCalls})...)
	root.AddCommand(
		serveCommand(extra),
		keysCommand(extra),
		policyCommand(),
		tokenCommand(),
		secretsCommand(),
		auditCommand(),
		configCommand(extra),
		metricsCommand(),
		sandboxCommand(),
		protosCommand(),
		versionCommand(),
	)
	return root
}

// serveName is the command that reloads on SIGHUP.
const serveName = "serve"

// stamped is the version that a build says with -ldflags "-X …/internal/command.stamped=v1.2.3".
var stamped string

// version is that of the build.
func version() string {
	if stamped != "" {
		return stamped
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func versionCommand() *cobra.Command {
	var sbom bool
	var of string
	cmd := &cobra.Command{Use: "version", Short: "Print the version, and that of Apple's document", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sbom {
				return writeSBOM(cmd.OutOrStdout(), of)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "gateway", version(), runtime.Version())
			fmt.Fprintln(cmd.OutOrStdout(), "Apple's document", engine.Document().GetVersion())
			return nil
		}}
	cmd.Flags().BoolVar(&sbom, "sbom", false, "print of which modules the program is made (CycloneDX)")
	cmd.Flags().StringVar(
		&of,
		"of",
		"",
		"with --sbom: a gateway of the same version for another platform, instead of this one",
	)
	return cmd
}
