// Package command is the command line of the gateway. The program of
// cmd/gateway is this and nothing else; another program may add custody
// backends of its own.
package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/sandbox"
	engine "github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/spf13/cobra"
)

const welcome = `The App Store Connect gateway: one service, all of Apple's App Store Connect API, over gRPC and REST.

Try it with nothing but this program:
  gateway serve --sandbox

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
	return cmd.ExecuteContext(ctx)
}

func rootCommand(extra []keys.Backend) *cobra.Command {
	root := &cobra.Command{Use: "gateway", Short: "The App Store Connect gateway", SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Name() == serveName {
				return nil
			}
			return endOnHangup(cmd.Context())
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprint(cmd.OutOrStdout(), welcome)
			return nil
		}}
	root.AddCommand(serveCommand(extra), keysCommand(extra), policyCommand(), tokenCommand(), secretsCommand(), auditCommand(), configCommand(), metricsCommand(), sandboxCommand(), protosCommand(), versionCommand())
	return root
}

// serveName is the command that reloads on SIGHUP.
const serveName = "serve"

func serveCommand(extra []keys.Backend) *cobra.Command {
	var file, level string
	var withSandbox bool
	cmd := &cobra.Command{Use: serveName, Short: "Serve gRPC and REST", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogging(cmd, level)
			if err != nil {
				return err
			}
			switch {
			case withSandbox:
				cfg := config.Default()
				if file != "" {
					if cfg, err = config.Read(file); err != nil {
						return err
					}
				}
				return unlessEnded(cmd.Context(), serveSandboxed(cmd.Context(), cfg, log, cmd.OutOrStdout()))
			case file == "":
				fmt.Fprint(cmd.OutOrStdout(), welcome)
				return fmt.Errorf("serve needs --config FILE or --sandbox")
			}
			cfg, err := config.Read(file)
			if err != nil {
				return err
			}
			return unlessEnded(cmd.Context(), serveConfigured(cmd.Context(), file, cfg, extra, log, cmd.OutOrStdout()))
		}}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML)")
	cmd.Flags().BoolVar(&withSandbox, "sandbox", false, "use the built-in App Store Connect instead of Apple's")
	cmd.Flags().StringVar(&level, "log-level", "", "debug, info, warn or error; default: as the configuration says")
	return cmd
}

// logging is where records go.
type logging struct {
	handler slog.Handler
	level   *slog.LevelVar // nil: the level is fixed
}

// newLogging writes JSON to standard error. Without a level the configuration
// says it, also later.
func newLogging(cmd *cobra.Command, level string) (*logging, error) {
	if level == "" {
		v := &slog.LevelVar{}
		return &logging{slog.NewJSONHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: v}), v}, nil
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, err
	}
	return &logging{slog.NewJSONHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: l}), nil}, nil
}

func sandboxCommand() *cobra.Command {
	var listen string
	var publicKeys map[string]string
	cfg := sandbox.Config{}
	cmd := &cobra.Command{Use: "sandbox", Short: "Serve the built-in App Store Connect alone", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.NoAuth = len(publicKeys) == 0
			s, err := sandbox.New(cfg)
			if err != nil {
				return err
			}
			for kid, file := range publicKeys {
				public, err := keys.ReadPublic(file)
				if err != nil {
					return err
				}
				s.RegisterKey(kid, public)
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return err
			}
			who := "any token will do"
			if !cfg.NoAuth {
				who = fmt.Sprintf("keys: %d, issuer %s", len(publicKeys), cfg.Issuer)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "App Store Connect sandbox on http://%s (%s)\n  curl -gs 'http://%s/v1/apps?limit=2'\n", l.Addr(), who, l.Addr())
			return serveHTTP(cmd.Context(), &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}, l)
		}}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "address to listen on")
	cmd.Flags().StringToStringVar(&publicKeys, "public-key", nil, "KEY_ID=FILE: check tokens by this public key (PEM); may stand several times")
	cmd.Flags().StringVar(&cfg.Issuer, "issuer", sandbox.DefaultIssuer, "issuer id of team keys")
	cmd.Flags().IntVar(&cfg.HourLimit, "hour-limit", 3600, "requests per key and hour")
	cmd.Flags().Float64Var(&cfg.TimeScale, "time-scale", 1, "how fast the hour of the rate limit goes by")
	return cmd
}

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
	cmd.Flags().StringVar(&of, "of", "", "with --sbom: a gateway of the same version for another platform, instead of this one")
	return cmd
}
