package command

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	engine "github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/spf13/cobra"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Test and explain who may do what"}
	cmd.AddCommand(policyTestCommand(), policyExplainCommand(), policySetsCommand(),
		printCommand("schema", "Print the JSON Schema of policy files, for editors", policy.Schema),
		printCommand("example", "Print a policy to start from", policy.Example))
	return cmd
}

func printCommand(use, short string, text []byte) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		_, err := cmd.OutOrStdout().Write(text)
		return err
	}}
}

// everyMethod is all that a policy can name.
func everyMethod() ([]*access.Method, error) {
	entries, _, err := engine.Entries()
	return gateway.Methods(entries), err
}

func readPolicy(name string) (*policy.Policy, error) {
	methods, err := everyMethod()
	if err != nil {
		return nil, err
	}
	return policy.Read(name, methods)
}

func policyTestCommand() *cobra.Command {
	return &cobra.Command{Use: "test FILE", Short: "Check a policy, and run the tests that stand in it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			failed := 0
			results := p.Test()
			for _, r := range results {
				verdict := "ok"
				if !r.Pass {
					verdict = "FAILED"
					failed++
				}
				fmt.Fprintf(w, "%s\t%s:%d\t%s\t%s\n", verdict, args[0], r.Line, r.Name, r.Verdict())
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d tests failed", failed, len(results))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d tests passed\n", len(results))
			return nil
		}}
}

func policyExplainCommand() *cobra.Command {
	var who, method, team, app string
	var claims map[string]string
	cmd := &cobra.Command{Use: "explain FILE", Short: "Say, rule by rule, why a call is allowed or denied", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			caller := &access.Principal{ID: who, Claims: claims}
			text, err := p.Explain(caller, "/"+strings.TrimPrefix(method, "/"), team, app)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		}}
	cmd.Flags().StringVar(&who, "principal", "", "who calls, such as spiffe://example.org/ns/ci/sa/x")
	cmd.Flags().StringVar(&method, "method", "", "what, such as asc.testflight.v1.BuildsService/ListBuilds")
	cmd.Flags().StringVar(&team, "team", "", "for which team")
	cmd.Flags().StringVar(&app, "app", "", "for which app, by Apple's id")
	cmd.Flags().StringToStringVar(&claims, "claim", nil, "NAME=VALUE of a verified claim; may stand several times")
	for _, f := range []string{"principal", "method"} {
		_ = cmd.MarkFlagRequired(f) // the flag exists
	}
	return cmd
}

func policySetsCommand() *cobra.Command {
	return &cobra.Command{Use: "sets [NAME]", Short: "List the built-in sets of methods, or the methods of one", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			methods, err := everyMethod()
			if err != nil {
				return err
			}
			members := policy.Members(methods)
			if len(args) == 1 {
				if members[args[0]] == nil {
					return errors.New("there is no such set")
				}
				fmt.Fprintln(cmd.OutOrStdout(), strings.Join(members[args[0]], "\n"))
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, s := range policy.Sets {
				fmt.Fprintf(w, "%s\t%d methods\t%s\n", s.Name, len(members[s.Name]), s.About)
			}
			return w.Flush()
		}}
}
