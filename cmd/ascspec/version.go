package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// built is the version of the build.
func built() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// version prints the version of the build, and that of the document in use.
func (a *app) version() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version, and that of the document in use", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			document := "none yet: run `ascspec fetch`"
			if doc, err := a.read(); err == nil {
				document = doc.Version
			}
			if a.asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"version": built(), "document": document})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ascspec %s\nApple's document %s\n", built(), document)
			return nil
		}}
}
