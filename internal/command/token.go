package command

import (
	"fmt"
	"path/filepath"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/spf13/cobra"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make credentials for callers"}
	cmd.AddCommand(tokenNewCommand(), tokenKeyCommand())
	return cmd
}

func tokenNewCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a token: the first line goes to the caller, the second into authn.tokens",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, sum := authn.NewToken()
			said := struct {
				Token  string `json:"token"`
				SHA256 string `json:"sha256"`
			}{token, sum}
			return emit(cmd, output, said, func() error {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\nsha256: %s\n", token, sum)
				return nil
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func tokenKeyCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "key NAME",
		Short: "Make a key for a tool that signs for Apple: it needs nothing but another base URL",
		Args:  cobra.ExactArgs(1),
		Long: "Tools that speak Apple's API want a .p8 file and sign tokens with it. This makes one that " +
			"only the gateway knows: give the file to\n" +
			"the tool, with any issuer id, and the passthrough as its base URL. Apple's own key stays where " +
			"it is.",
		RunE: func(cmd *cobra.Command, args []string) error {
			p8, key, err := authn.NewToolKey(args[0])
			if err != nil {
				return err
			}
			name := filepath.Join(out, "AuthKey_"+key.KeyID+".p8")
			if err := files.Create(name, p8); err != nil {
				return err
			}
			fmt.Fprintf(
				cmd.OutOrStdout(),
				"%s is for the tool. In gateway.yaml:\n\nauthn:\n  keys:\n    - {name: %s, key_id: %s, public_key: %q}\n",
				name,
				key.Name,
				key.KeyID,
				key.PublicKey,
			)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", ".", "folder for the file")
	return cmd
}
