package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/cli"
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

// testSays is how a test of a policy came out.
type testSays struct {
	Name    string `json:"name"`
	Line    int    `json:"line"`
	Pass    bool   `json:"pass"`
	Verdict string `json:"verdict"`
}

func policyTestCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Check a policy, and run the tests that stand in it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			failed, list := 0, []testSays{}
			for _, r := range p.Test() {
				if !r.Pass {
					failed++
				}
				list = append(list, testSays{r.Name, r.Line, r.Pass, r.Verdict()})
			}
			err = emit(cmd, output, list, func() error { return printTests(cmd, args[0], list, failed) })
			if err == nil && failed > 0 {
				err = fmt.Errorf("%d of %d tests failed", failed, len(list))
			}
			return err
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func printTests(cmd *cobra.Command, file string, list []testSays, failed int) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	for _, t := range list {
		verdict := "ok"
		if !t.Pass {
			verdict = "FAILED"
		}
		fmt.Fprintf(w, "%s\t%s:%d\t%s\t%s\n", verdict, file, t.Line, t.Name, t.Verdict)
	}
	if err := w.Flush(); err != nil || failed > 0 {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d tests passed\n", len(list))
	return nil
}

func policyExplainCommand() *cobra.Command {
	var who, method, team, app, output string
	var claims map[string]string
	cmd := &cobra.Command{
		Use:   "explain FILE",
		Short: "Say, rule by rule, why a call is allowed or denied",
		Args:  cobra.ExactArgs(1),
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
			said := strings.Split(strings.TrimSpace(text), "\n")
			answer := struct {
				Verdict string   `json:"verdict"`
				Rules   []string `json:"rules"`
			}{said[len(said)-1], said[:len(said)-1]}
			return emit(cmd, output, answer, func() error {
				_, err := fmt.Fprint(cmd.OutOrStdout(), text)
				return err
			})
		},
	}
	outputFlag(cmd, &output)
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

// setSays is a built-in set of methods.
type setSays struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Methods []string `json:"methods"`
}

// setsOf are the built-in sets, and behind them those of jobs.
func setsOf(methods []*access.Method) (list []setSays) {
	members := policy.Members(methods)
	for _, s := range policy.Sets {
		list = append(list, setSays{s.Name, s.About, members[s.Name]})
		delete(members, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		list = append(list, setSays{name, "all that this job needs", members[name]})
	}
	return list
}

func policySetsCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "sets [NAME]",
		Short: "List the built-in sets of methods, or the methods of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			methods, err := everyMethod()
			if err != nil {
				return err
			}
			all := setsOf(methods)
			list, names := []setSays{}, []string{}
			for _, s := range all {
				names = append(names, s.Name)
				if len(args) == 0 || args[0] == s.Name {
					list = append(list, s)
				}
			}
			if len(list) == 0 {
				return cli.Usage(fmt.Sprintf("policy sets: there is no set %q%s", args[0], cli.Hint(args[0], names)))
			}
			return emit(cmd, output, list, func() error {
				if len(args) == 1 {
					fmt.Fprintln(cmd.OutOrStdout(), strings.Join(list[0].Methods, "\n"))
					return nil
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				for _, s := range list {
					fmt.Fprintf(w, "%s\t%d methods\t%s\n", s.Name, len(s.Methods), s.About)
				}
				return w.Flush()
			})
		},
	}
	outputFlag(cmd, &output)
	return cmd
}
