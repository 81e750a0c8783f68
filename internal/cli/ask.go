package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// asker is one run of a command that calls methods of the gateway's own: how it
// reaches the gateway, and in which form it answers.
type asker struct {
	deps   Deps
	conn   connection
	output string
	json   bool

	stdin          io.Reader
	stdout, stderr io.Writer
}

func (a *asker) flags(cmd *cobra.Command) {
	a.conn.callFlags(cmd)
	f := cmd.Flags()
	f.StringVarP(&a.output, "output", "o", "table", "table, for people, or json")
	f.BoolVar(&a.json, "json", false, "the same as --output json")
	completeFlag(cmd, "output", "table", "json")
}

// reached runs do with a connection to the gateway that is meant.
func (a *asker) reached(
	do func(ctx context.Context, conn *grpc.ClientConn, args []string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.stdin, a.stdout, a.stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		if a.output != "table" && a.output != "json" {
			return usagef("--output: want table or json, not %q", clip(a.output))
		}
		a.json = a.json || a.output == "json"
		conn, err := a.conn.open(cmd.Context(), a.deps)
		if err != nil {
			return err
		}
		defer conn.Close()
		return do(cmd.Context(), conn, args)
	}
}

// document writes an answer as one JSON document.
func (a *asker) document(m proto.Message) error {
	return (&caller{output: "json", stdout: a.stdout}).print(m)
}

// asks says whether somebody is there to be asked.
func (a *asker) asks() bool { return isTerminal(a.stdin) && isTerminal(a.stderr) }

// confirm asks a question that is answered with y or n.
func (a *asker) confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(a.stderr, question+" [y/N] ")
	answer := make(chan string, 1)
	go func() { // it may wait for a line when the command is interrupted
		line, _ := bufio.NewReader(a.stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return false, &ended{"interrupted: nothing was sent", ExitInterrupted}
	case word := <-answer:
		return word == "y" || word == "yes", nil
	}
}

// ended is an end that no answer of the gateway's says.
type ended struct {
	text string
	exit int
}

func (e *ended) Error() string { return e.text }

// ExitCode implements the interface that [ExitCode] looks for.
func (e *ended) ExitCode() int { return e.exit }

// grid writes rows of cells, one below the other.
func grid(w io.Writer, rows ...[]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, cells := range rows {
		for i := range cells {
			cells[i] = printable(cells[i])
		}
		_, _ = io.WriteString(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")+"\n") // Flush tells its error
	}
	return t.Flush()
}
