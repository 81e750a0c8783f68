package command

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/spf13/cobra"
)

// checkTime bounds what a command asks of a custody and of Apple.
const checkTime = 30 * time.Second

func keysCommand(extra []keys.Backend) *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Look after the signing keys"}
	cmd.AddCommand(importCommand(extra), listCommand(), checkCommand(extra), publicCommand(extra))
	return cmd
}

// configFlag adds --config.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "gateway.yaml", "configuration file (YAML)")
}

// keyFileName is how Apple names the file of a key.
var keyFileName = regexp.MustCompile(`^AuthKey_([A-Za-z0-9]{2,40})\.p8$`)

func importCommand(extra []keys.Backend) *cobra.Command {
	var to, id, file string
	cmd := &cobra.Command{
		Use:   "import --to URI AuthKey_X.p8",
		Short: "Wrap a key of Apple's, put it into a custody, and let it sign there",
		Args:  cobra.ExactArgs(1),
		Long: "The private key is wrapped for the custody before it leaves this machine. Afterwards the " +
			"custody signs once, and the signature is\n" +
			"verified with the public key of the file. The file is left as it is: remove it when you are " +
			"satisfied.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Minute) // some clouds take their time
			defer cancel()
			cfg, err := config.ReadFor(file, "vault")
			if err != nil {
				return err
			}
			if id == "" {
				m := keyFileName.FindStringSubmatch(filepath.Base(args[0]))
				if m == nil {
					return errors.New("the file's name does not tell the key's id: give it with --id")
				}
				id = m[1]
			}
			private, err := filekey.Private(args[0])
			if err != nil {
				return err
			}
			backends, err := backendsOf(cfg, extra)
			if err != nil {
				return err
			}
			b, err := backends.Find(to)
			if err != nil {
				return err
			}
			into, ok := b.(keys.Importer)
			if !ok {
				return fmt.Errorf("%s: takes no keys in: leave the file where it is and use its path", b.Scheme())
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "importing key %s into %s …\n", id, to)
			if err := into.Import(ctx, to, private); err != nil {
				return err
			}
			k, err := backends.Open(ctx, id, to)
			if err != nil {
				return err
			}
			if !k.Public().Equal(&private.PublicKey) {
				return errors.New("the custody has another key under this name")
			}
			if err := keys.SelfTest(ctx, k); err != nil {
				return err
			}
			fmt.Fprintf(
				cmd.OutOrStdout(),
				"key %s is in custody: it signed, and the signature verifies. In gateway.yaml:\n\n    - id: %s\n"+
					"      issuer_id: …\n      uri: %s\n",
				id,
				id,
				to,
			)
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "where to: vault:NAME, awskms:alias/NAME, gcpkms:projects/…/cryptoKeys/NAME")
	cmd.Flags().StringVar(&id, "id", "", "Apple's key id, where the file's name does not tell it")
	configFlag(cmd, &file)
	_ = cmd.MarkFlagRequired("to") // the flag exists
	return cmd
}

// keySays is a key of the configuration.
type keySays struct {
	Team    string   `json:"team"`
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Kind    string   `json:"kind"`
	Roles   []string `json:"roles"`
	Custody string   `json:"uri"`
}

func listCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{Use: "list", Short: "List the keys of the configuration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Read(file)
			if err != nil {
				return err
			}
			list := []keySays{}
			for _, t := range cfg.Teams {
				for _, k := range t.Keys {
					state, _ := keys.ParseState(k.State) // Read has checked it
					list = append(list, keySays{t.Name, k.ID, string(state), kindOf(k), append([]string{}, k.Roles...), k.URI})
				}
			}
			return emit(cmd, output, list, func() error {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "TEAM\tKEY\tSTATE\tKIND\tROLES\tCUSTODY")
				for _, k := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.Team, k.ID, k.State, k.Kind, strings.Join(k.Roles, ","), k.Custody)
				}
				return w.Flush()
			})
		}}
	configFlag(cmd, &file)
	outputFlag(cmd, &output)
	return cmd
}

func kindOf(k config.Key) string {
	switch {
	case k.Enterprise:
		return "enterprise"
	case k.IssuerID == "":
		return "individual"
	}
	return "team"
}

// keyChecked is how the check of a key came out.
type keyChecked struct {
	Team string `json:"team"`
	ID   string `json:"id"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
}

func checkCommand(extra []keys.Backend) *cobra.Command {
	var file, output string
	var offline bool
	cmd := &cobra.Command{Use: "check", Short: "Let every key sign, verify, and make one cheap call", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Read(file)
			if err != nil {
				return err
			}
			backends, err := backendsOf(cfg, extra)
			if err != nil {
				return err
			}
			bad, list := 0, []keyChecked{}
			for _, t := range cfg.Teams {
				for _, k := range t.Keys {
					said, err := checkKey(cmd.Context(), cfg, backends, k, offline)
					if err != nil {
						bad++
						said = plainly(err)
					}
					list = append(list, keyChecked{t.Name, k.ID, err == nil, said})
				}
			}
			err = emit(cmd, output, list, func() error {
				for _, k := range list {
					failed := ""
					if !k.OK {
						failed = "FAILED: "
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s%s\n", k.Team, k.ID, failed, k.Says)
				}
				return nil
			})
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d keys failed", bad)
			}
			return err
		}}
	configFlag(cmd, &file)
	outputFlag(cmd, &output)
	cmd.Flags().BoolVar(&offline, "offline", false, "make no call to App Store Connect")
	return cmd
}

// checkKey tries one key.
func checkKey(
	ctx context.Context,
	cfg *config.Config,
	backends keys.Backends,
	k config.Key,
	offline bool,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	c, err := openKey(ctx, backends, k)
	switch {
	case err != nil:
		return "", err
	case c.State == keys.Retired:
		return "retired, not opened", nil
	case offline:
		return "signs, and the signature verifies", nil
	}
	c.State = keys.Active // whatever it is: this is a check
	quiet := slog.New(slog.DiscardHandler)
	ring := keys.NewRing(map[string][]keys.Credential{"check": {c}}, time.Now, quiet, nil)
	defer ring.Close()
	client, err := asc.New(
		asc.Config{BaseURL: cfg.Upstream.BaseURL, Proxy: cfg.Upstream.Proxy, MaxAttempts: 3},
		asc.Deps{Tokens: ring, Logger: quiet},
	)
	if err != nil {
		return "", err
	}
	defer client.Close()
	res, err := client.Do(
		ctx,
		&asc.Call{
			Team:      "check",
			Operation: "apps_getCollection",
			Method:    "GET",
			Template:  "/v1/apps",
			Path:      "/v1/apps",
			Query:     "limit=1",
		},
	)
	if err != nil {
		return "", err
	}
	said := "signs, and App Store Connect takes it"
	if limits := strings.Join(res.Header.Values("X-Rate-Limit"), " "); limits != "" {
		said += " (" + limits + ")"
	}
	return said, nil
}

// plainly says what a person can do.
func plainly(err error) string {
	f := fault.As(err)
	switch {
	case f.Reason == fault.ReasonUpstreamCredentials:
		return "App Store Connect refuses it: is the key id right, the issuer id, the key revoked?"
	case f.Kind == fault.PermissionDenied:
		return "App Store Connect knows it, but its role may not list apps, or an agreement waits for a " +
			"signature: " + f.Reason
	}
	return err.Error()
}

func publicCommand(extra []keys.Backend) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "public KEY_ID", Short: "Print the public key, as PEM", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.Read(file)
			if err != nil {
				return err
			}
			backends, err := backendsOf(cfg, extra)
			if err != nil {
				return err
			}
			for _, t := range cfg.Teams {
				for _, k := range t.Keys {
					if k.ID != args[0] {
						continue
					}
					ctx, cancel := context.WithTimeout(cmd.Context(), checkTime)
					defer cancel()
					key, err := backends.Open(ctx, k.ID, k.URI)
					if err != nil {
						return err
					}
					der, err := x509.MarshalPKIXPublicKey(key.Public())
					if err != nil {
						return err
					}
					return pem.Encode(cmd.OutOrStdout(), &pem.Block{Type: "PUBLIC KEY", Bytes: der})
				}
			}
			return fmt.Errorf("%s names no key %s", file, args[0])
		}}
	configFlag(cmd, &file)
	return cmd
}
