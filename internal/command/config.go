package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"reflect"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check and print configurations"}
	cmd.AddCommand(
		&cobra.Command{Use: "check FILE", Short: "Check a configuration; nothing that it names is opened", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := config.Read(args[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is right: %d teams\n", args[0], len(c.Teams))
				return nil
			}},
		configPrintCommand(),
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

func configPrintCommand() *cobra.Command {
	var effective bool
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
			c.Redact()
			b, err := yaml.Marshal(c)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(b)
			return err
		}}
	cmd.Flags().BoolVar(&effective, "effective", false, "with defaults, and with paths as they are opened")
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
