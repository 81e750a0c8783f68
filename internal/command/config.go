package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/tlsfiles"
	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

func configCommand(extra []keys.Backend) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check and print configurations"}
	cmd.AddCommand(configCheckCommand(extra), configPrintCommand(),
		&cobra.Command{Use: "schema", Short: "Print the JSON Schema of configurations", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				b, err := configSchema()
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(b)
				return err
			}})
	return cmd
}

const checkHelp = `Check a configuration and the files that it names: keys, the policy with its tests, certificates, folders. Nothing is
sent over the network: keys check lets the keys sign.`

func configCheckCommand(extra []keys.Backend) *cobra.Command {
	var alone bool
	var output string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration: find what serve would refuse",
		Long:  checkHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Read(args[0])
			if err != nil {
				return err
			}
			if !alone {
				if err := c.InLines(append(c.Inspect(), inspect(c, extra)...)...); err != nil {
					return err
				}
			}
			said := struct {
				File  string `json:"file"`
				OK    bool   `json:"ok"`
				Teams int    `json:"teams"`
			}{args[0], true, len(c.Teams)}
			return emit(cmd, output, said, func() error {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is right: %d teams\n", args[0], len(c.Teams))
				return nil
			})
		}}
	cmd.Flags().BoolVar(&alone, "file-only", false, "look at nothing that the file names")
	outputFlag(cmd, &output)
	return cmd
}

// inspect tries what a start would: each error begins with the setting.
func inspect(c *config.Config, extra []keys.Backend) (errs []error) {
	backends, err := backendsOf(c, extra)
	if err != nil {
		return []error{err}
	}
	for i, t := range c.Teams {
		for j, k := range t.Keys {
			if err := inspectKey(c, backends, k); err != nil {
				errs = append(errs, fmt.Errorf("teams[%d].keys[%d].uri: %w", i, j, err))
			}
		}
	}
	for _, part := range []struct {
		setting string
		try     func(*config.Config) error
	}{{"policy.file", inspectPolicy}, {"authn", inspectAuthn}, {"tls", inspectTLS}} {
		if err := part.try(c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", part.setting, err))
		}
	}
	return errs
}

func inspectKey(c *config.Config, backends keys.Backends, k config.Key) error {
	if k.State == string(keys.Retired) {
		return nil
	}
	b, err := backends.Find(k.URI)
	if err != nil {
		return err
	}
	if file := (filekey.Backend{Dir: c.Dir()}); b.Scheme() == file.Scheme() {
		_, err = filekey.Private(file.Path(k.URI))
	}
	return err
}

// inspectPolicy reads the policy, and runs its tests. A file that is missing is
// found elsewhere.
func inspectPolicy(c *config.Config) error {
	if c.Policy.File == "" || !exists(c.Policy.File) {
		return nil
	}
	p, err := readPolicy(c.Policy.File)
	if err != nil {
		return err
	}
	for _, name := range p.Teams() {
		if !slices.ContainsFunc(c.Teams, func(t config.Team) bool { return t.Name == name }) {
			return fmt.Errorf("a rule names the team %q, which is not configured", name)
		}
	}
	return p.Check()
}

func inspectAuthn(c *config.Config) error {
	wanted := authnOf(c)
	// What is missing is found elsewhere; the first token is made at the start.
	wanted.Tokens = slices.DeleteFunc(slices.Clone(wanted.Tokens), func(t authn.StaticToken) bool {
		return t.File != "" && !exists(t.File)
	})
	wanted.Issuers = slices.DeleteFunc(slices.Clone(wanted.Issuers), func(i authn.Issuer) bool {
		return i.CAFile != "" && !exists(i.CAFile)
	})
	a, err := authn.New(wanted, authn.Deps{})
	if a != nil {
		a.Close()
	}
	return err
}

func inspectTLS(c *config.Config) error {
	if !c.TLS.Enabled() || slices.ContainsFunc(c.TLS.Names(), func(n string) bool { return !exists(n) }) {
		return nil
	}
	_, err := tlsfiles.Open(c.TLS, time.Now)
	return err
}

func configPrintCommand() *cobra.Command {
	var effective bool
	var output string
	cmd := &cobra.Command{Use: "print FILE", Short: "Print a configuration, without secrets", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			read := config.ReadAsWritten
			if effective {
				read = config.Read
			}
			c, err := read(args[0])
			if err != nil {
				return err
			}
			if effective {
				inForce(c)
			}
			c.Redact()
			return emit(cmd, output, c, func() error {
				b, err := yaml.Marshal(c)
				if err != nil {
					return errors.New("the configuration cannot be printed")
				}
				_, err = cmd.OutOrStdout().Write(b)
				return err
			})
		}}
	cmd.Flags().BoolVar(&effective, "effective", false, "with defaults, and with paths as they are opened")
	outputFlag(cmd, &output)
	return cmd
}

// configSchema is the JSON Schema of gateway.yaml, from the structs that it is
// read into.
func configSchema() ([]byte, error) {
	r := &jsonschema.Reflector{FieldNameTag: "json", RequiredFromJSONSchemaTags: true, Namer: schemaName}
	s := r.Reflect(&config.Config{})
	s.ID = ""
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, b, "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), err
}

// schemaName names a part of the configuration. Several packages call theirs
// Config: those are named by their package.
func schemaName(t reflect.Type) string {
	if t.Name() != "Config" || t == reflect.TypeFor[config.Config]() {
		return t.Name()
	}
	return path.Base(t.PkgPath())
}
