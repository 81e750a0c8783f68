package command

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
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

const verifyHelp = `Check the chain of hashes, oldest file first.

It fails if a line was changed, removed, added or moved, and if the beginning of
the log is missing. Where older files are kept elsewhere or were removed, --from
says which line the first of the files follows: its hash, as an earlier
verification of those files has printed it.`

var lineHash = regexp.MustCompile("^[0-9a-f]{64}$")

func auditVerifyCommand() *cobra.Command {
	var from, output string
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check the chain of hashes, oldest file first",
		Long:  verifyHelp,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from != "" && !lineHash.MatchString(from) {
				return fmt.Errorf("--from: want the hash of a line, 64 hexadecimal digits")
			}
			v := audit.Verifier{From: from}
			for _, name := range args {
				if err := verifyFile(cmd, &v, name); err != nil {
					return err
				}
			}
			r := v.Report()
			err := emit(cmd, output, saysReport(r), func() error {
				tellReport(cmd.OutOrStdout(), r)
				return nil
			})
			if err == nil && len(r.Problems) > 0 {
				err = fmt.Errorf("the log is not whole: %d problems", len(r.Problems))
			}
			return err
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&from, "from", "", "`HASH` of the last line before the first file, if the log begins elsewhere")
	return cmd
}

// reportSays is a report as JSON.
type reportSays struct {
	Lines    int      `json:"lines"`
	Chains   int      `json:"chains"`
	Problems []string `json:"problems"`
	Notes    []string `json:"notes"`
	Sequence string   `json:"last_sequence"`
	Hash     string   `json:"last_hash"`
	Ended    bool     `json:"ended"`
}

func saysReport(r audit.Report) reportSays {
	return reportSays{r.Lines, r.Chains, append([]string{}, r.Problems...), append([]string{}, r.Notes...),
		fmt.Sprint(r.Last.Seq), r.Last.Hash, r.Ended}
}

func tellReport(out io.Writer, r audit.Report) {
	for _, n := range r.Notes {
		fmt.Fprintln(out, "note:", escaped(n))
	}
	for _, p := range r.Problems {
		fmt.Fprintln(out, "PROBLEM:", escaped(p))
	}
	end := "it ended with a stop"
	if !r.Ended {
		end = "it has not ended with a stop: it is being written, was killed, or its tail is cut: compare with the metric"
	}
	const text = "%d lines in %d chains; the last is %d of its chain, hash %s; %s\n"
	fmt.Fprintf(out, text, r.Lines, r.Chains, r.Last.Seq, r.Last.Hash, end)
}

func verifyFile(cmd *cobra.Command, v *audit.Verifier, name string) error {
	f, info, err := files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	// What is written from now on is not read: a log may grow faster.
	return v.File(name, io.LimitReader(f, info.Size()), func(read int64) {
		fmt.Fprintf(cmd.ErrOrStderr(), "\r%s: %d %%", name, 100*read/max(info.Size(), 1))
	})
}

const showHelp = `Print the records as a table. It does not check them: verify does.

What is not printable is escaped, as in \x1b or \u202e.`

// shownAtOnce is how many records make one table: its columns are as wide as the
// widest of them, and all are in memory.
const shownAtOnce = 1000

// filter says which records are shown.
type filter struct{ principal, method, event string }

func (f *filter) takes(l *audit.Line) bool {
	return strings.Contains(l.Principal, f.principal) && strings.Contains(l.Method, f.method) &&
		(f.event == "" || l.Event == f.event)
}

func auditShowCommand() *cobra.Command {
	var which filter
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Print the records as a table",
		Long:  showHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, info, err := files.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			others, err := show(cmd.OutOrStdout(), io.LimitReader(f, info.Size()), which)
			if others > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d lines are no records\n", others)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&which.principal, "principal", "", "only what this is part of the principal of")
	cmd.Flags().StringVar(&which.method, "method", "", "only what this is part of the method of")
	cmd.Flags().StringVar(&which.event, "event", "", "only intent, outcome, denial, signing, grant, reload, start or stop")
	return cmd
}

// show prints records, and counts the lines that are none.
func show(out io.Writer, in io.Reader, which filter) (others int, err error) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tEVENT\tPRINCIPAL\tTEAM\tMETHOD\tRESOURCES\tOUTCOME")
	n := 0
	for text, err := range audit.Texts(in) {
		if err != nil {
			return others, err
		}
		l, ok := audit.Parse(text)
		if !ok {
			others++
			continue
		}
		if !which.takes(l) {
			continue
		}
		fmt.Fprintln(w, row(l))
		if n++; n%shownAtOnce == 0 {
			if err := w.Flush(); err != nil {
				return others, err
			}
		}
	}
	return others, w.Flush()
}

// row is a record as a line of the table.
func row(l *audit.Line) string {
	resources, outcome := strings.Join(l.Resources, " "), strings.TrimSpace(l.Outcome+" "+l.Reason)
	if l.Cut > 0 {
		resources += fmt.Sprintf(" (%d more)", l.Cut)
	}
	if l.Count > 1 {
		outcome += fmt.Sprintf(" (%d times)", l.Count)
	}
	cells := []string{l.Time, l.Event, l.Principal, l.Team, l.Method, resources, outcome}
	for i, c := range cells {
		cells[i] = escaped(c)
	}
	return strings.Join(cells, "\t")
}

// escaped writes what could change how a terminal shows the rest (control
// characters, those that turn the direction of text, invisible ones) as Go would
// in a string.
func escaped(s string) string {
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
