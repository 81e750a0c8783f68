package command

import (
	"encoding/json"

	"github.com/asc-gateway/asc-gateway/internal/cli"
	"github.com/spf13/cobra"
)

// outputFlag adds --output to a command that answers.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
	words := cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)
	_ = cmd.RegisterFlagCompletionFunc("output", words) // the flag exists
}

// emit prints an answer: as JSON, or as text prints it.
func emit(cmd *cobra.Command, output string, answer any, text func() error) error {
	switch output {
	case "text":
		return text()
	case "json":
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(answer)
	}
	return cli.Usage("--output: want text or json, not " + output)
}
