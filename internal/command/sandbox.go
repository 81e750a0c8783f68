package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/spf13/cobra"
)

func sandboxCommand() *cobra.Command {
	var listen string
	var publicKeys map[string]string
	cfg := sandbox.World{}
	cmd := &cobra.Command{Use: "sandbox", Short: "Serve the built-in App Store Connect alone", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkWorld("sandbox", "", cfg); err != nil {
				return err
			}
			cfg.NoAuth = len(publicKeys) == 0
			s, err := sandbox.Open(cfg)
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
				return face{address: listen, setting: "--listen"}.failed(err)
			}
			who := "any token will do"
			if !cfg.NoAuth {
				who = fmt.Sprintf("keys: %d, issuer %s", len(publicKeys), cfg.Issuer)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "App Store Connect sandbox on http://%s (%s)\n", l.Addr(), who)
			fmt.Fprint(cmd.OutOrStdout(), peerLines("http://"+l.Addr().String(), cfg.Issuer, !cfg.NoAuth))
			return serveBox(cmd.Context(), s, l)
		}}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "address to listen on")
	cmd.Flags().StringToStringVar(&publicKeys, "public-key", nil,
		"KEY_ID=FILE: check tokens by this public key (PEM); may stand several times")
	cmd.Flags().StringVar(&cfg.Issuer, "issuer", sandbox.DefaultIssuer, "issuer id of team keys")
	cmd.Flags().IntVar(&cfg.HourLimit, "hour-limit", 3600, "requests per key and hour")
	cmd.Flags().DurationVar(&cfg.Processing, "processing", 0, "how long an upload or a build takes")
	cmd.Flags().Float64Var(&cfg.TimeScale, "time-scale", 1, "how fast the hour of the rate limit goes by")
	worldFlags(cmd.Flags(), "", &cfg)
	cmd.AddCommand(seedSchemaCommand())
	return cmd
}

// serveBox serves a sandbox, whose states pass by themselves, until ctx ends.
func serveBox(ctx context.Context, s *sandbox.Sandbox, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		s.Run(ctx)
	}()
	err := serveHTTP(ctx, &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}, l)
	stop()
	<-ran
	err = errors.Join(err, s.Save())
	s.Close()
	return err
}
