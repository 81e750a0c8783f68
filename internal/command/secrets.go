package command

import (
	"fmt"

	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/spf13/cobra"
)

func secretsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "secrets", Short: "Make and rotate the secret that replicas share (secrets.file)"}
	cmd.AddCommand(&cobra.Command{
		Use:   "rotate FILE",
		Short: "Put a new secret first and keep the one that was; a file that is missing is made",
		Long: `Put a new secret first and keep the one that was first: what it made is still
recognised until the next rotation. A file that is missing is made.

Every replica must read the file before the first one uses the new secret for
what others must recognise. A running gateway reads it when it changes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := secrets.Rotate(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s begins with a new secret\n", args[0])
			return nil
		},
	})
	return cmd
}
