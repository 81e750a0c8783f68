package command

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/spf13/cobra"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Verify and read the audit log"}
	cmd.AddCommand(auditVerifyCommand(), auditShowCommand())
	return cmd
}

func auditVerifyCommand() *cobra.Command {
	return &cobra.Command{Use: "verify FILE...", Short: "Check the chain of hashes, oldest file first", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var v audit.Verifier
			for _, name := range args {
				if err := verifyFile(cmd, &v, name); err != nil {
					return err
				}
			}
			r := v.Report()
			out := cmd.OutOrStdout()
			for _, n := range r.Notes {
				fmt.Fprintln(out, "note:", n)
			}
			for _, p := range r.Problems {
				fmt.Fprintln(out, "PROBLEM:", p)
			}
			end := "it ended with a stop"
			if !r.Ended {
				end = "it has not ended with a stop: it is being written, was killed, or its tail is cut: compare with the metric"
			}
			fmt.Fprintf(out, "%d lines in %d chains; the last is %d of its chain, hash %s; %s\n", r.Lines, r.Chains, r.Last.Seq, r.Last.Hash, end)
			if len(r.Problems) > 0 {
				return fmt.Errorf("the log was changed: %d problems", len(r.Problems))
			}
			return nil
		}}
}

func verifyFile(cmd *cobra.Command, v *audit.Verifier, name string) error {
	f, info, err := files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return v.File(name, f, func(read int64) {
		fmt.Fprintf(cmd.ErrOrStderr(), "\r%s: %d %%", name, 100*read/max(info.Size(), 1))
	})
}

func auditShowCommand() *cobra.Command {
	var principal, method, event string
	cmd := &cobra.Command{Use: "show FILE", Short: "Print the records as a table", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, _, err := files.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "TIME\tEVENT\tPRINCIPAL\tTEAM\tMETHOD\tRESOURCES\tOUTCOME")
			lines := bufio.NewScanner(f)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var l audit.Line
				if json.Unmarshal(lines.Bytes(), &l) != nil || !strings.Contains(l.Principal, principal) || !strings.Contains(l.Method, method) || event != "" && l.Event != event {
					continue
				}
				outcome := strings.TrimSpace(l.Outcome + " " + l.Reason)
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Time, l.Event, l.Principal, l.Team, l.Method, strings.Join(l.Resources, " "), outcome)
			}
			if err := lines.Err(); err != nil {
				return err
			}
			return w.Flush()
		}}
	cmd.Flags().StringVar(&principal, "principal", "", "only what this is part of the principal of")
	cmd.Flags().StringVar(&method, "method", "", "only what this is part of the method of")
	cmd.Flags().StringVar(&event, "event", "", "only intent, outcome, denial, signing, grant, reload, start or stop")
	return cmd
}
