package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/apispec"
	"github.com/spf13/cobra"
)

// upgrade is what one run of `ascspec upgrade` does.
type upgrade struct {
	apispec.Generation
	accept, filesOnly bool
	out               io.Writer
}

func (a *app) upgrade() *cobra.Command {
	u := &upgrade{}
	cmd := &cobra.Command{
		Use:   "upgrade [NEW]",
		Short: "Upgrade to a document: say what a person must decide, then do the rest",
		Long: "Upgrade compares the document with the lock. It prints everything that a person must decide, as lines\n" +
			"ready to paste, each with a proposal, and writes nothing while one is open. Then it generates, updates\n" +
			"the golden files, and says what has changed. Without NEW it takes the document in the cache.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u.out = cmd.OutOrStdout()
			if len(args) == 1 {
				u.Spec = args[0]
			} else {
				var err error
				if u.Spec, err = a.file(); err != nil {
					return err
				}
			}
			return u.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&u.accept, "accept", false, "write all proposals into their files, to be read with git diff")
	cmd.Flags().BoolVar(
		&u.filesOnly,
		"files-only",
		false,
		"make proto/, the lock and the facts; leave gen/ and the golden files",
	)
	cmd.Flags().StringVar(&u.Root, "root", ".", "folder of the project")
	return cmd
}

func (u *upgrade) run(ctx context.Context) error {
	d, err := u.Decide()
	if err != nil {
		return err
	}
	u.tell(d)
	if len(d.Problems) > 0 {
		return fmt.Errorf(
			"the document holds what cannot be read: correct it in spec/patches.yaml, or teach the generator\n%w",
			d.Problems,
		)
	}
	if len(d.Open) > 0 {
		if !u.accept {
			return fmt.Errorf(
				"%d decisions are open: paste these lines, or run again with --accept and read `git diff`",
				len(d.Open),
			)
		}
		if err := u.Accept(d.Open); err != nil {
			return err
		}
		fmt.Fprintf(u.out, "%d proposals written: read `git diff spec internal/access`\n\n", len(d.Open))
	}
	if err := u.MarkChecked(d.To); err != nil {
		return err
	}
	before := u.lock()
	r, err := u.Run()
	if err != nil {
		return err
	}
	if err := u.Write(r); err != nil {
		return err
	}
	if !u.filesOnly {
		if err := u.regenerate(ctx); err != nil {
			return err
		}
	}
	u.sum(d, before, r)
	return nil
}

// tell prints what is to be decided, by file, and what follows by itself.
func (u *upgrade) tell(d *apispec.Decisions) {
	fmt.Fprintf(u.out, "document %s → %s: %d decisions, %d problems\n", orNone(d.From), d.To, len(d.Open), len(d.Problems))
	file, under := "", ""
	for _, x := range d.Open {
		if x.File != file {
			file, under = x.File, ""
			fmt.Fprintf(u.out, "\n# %s\n", file)
		}
		mark := "#"
		if strings.HasSuffix(file, ".go") {
			mark = "//"
		}
		if x.Remove {
			fmt.Fprintf(u.out, "%s remove: %s  %s %s\n", mark, strings.TrimSpace(x.Line), mark, x.Why)
			continue
		}
		if x.Under != under {
			under = x.Under
			fmt.Fprintln(u.out, under)
		}
		fmt.Fprintf(u.out, "%s  %s %s\n", x.Line, mark, x.Why)
	}
	if len(d.Owned) > 0 {
		fmt.Fprintf(
			u.out,
			"\n# new types that count as an app's own (else: classes in internal/access/restrict/types.go)\n  %s\n",
			strings.Join(d.Owned, "\n  "),
		)
	}
	if len(d.Sets) > 0 {
		fmt.Fprintf(
			u.out,
			"\n# new methods that change things, and their sets (else: internal/access/policy/sets.go)\n  %s\n",
			strings.Join(d.Sets, "\n  "),
		)
	}
	fmt.Fprintln(u.out)
}

func orNone(version string) string {
	if version == "" {
		return "(nothing)"
	}
	return version
}

func (u *upgrade) lock() *apispec.Lock {
	b, err := os.ReadFile(filepath.Join(u.Root, "spec", "asc.lock.yaml"))
	if err != nil {
		return &apispec.Lock{}
	}
	l, err := apispec.ParseLock(b)
	if err != nil {
		return &apispec.Lock{}
	}
	return l
}

// regenerate makes gen/ anew and updates the golden files that show who may do
// what.
func (u *upgrade) regenerate(ctx context.Context) error {
	for _, args := range [][]string{
		{"make", "gen"},
		{"go", "test", "-run", "TestIndex", "./internal/service", "-update"},
		{"go", "test", "-run", "TestTable|TestSets", "./internal/access/restrict", "./internal/access/policy", "-update"},
		{"go", "test", "./internal/service", "./internal/access/restrict", "./internal/access/policy"},
	} {
		fmt.Fprintln(u.out, "running", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = u.Root
		if out, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", strings.Join(args, " "), err), errors.New(string(out)))
		}
	}
	return nil
}

// sum says what the upgrade has brought, and what is left to do.
func (u *upgrade) sum(d *apispec.Decisions, before *apispec.Lock, r *apispec.Result) {
	count := func(what string, was, is int) { fmt.Fprintf(u.out, "  %-10s %5d → %5d\n", what, was, is) }
	fmt.Fprintf(u.out, "\n%s → %s\n", orNone(d.From), d.To)
	count("operations", len(before.RPCs), r.Counts.RPCs)
	count("messages", len(before.Messages), r.Counts.Messages)
	count("enums", len(before.Enums), r.Counts.Enums)
	for _, n := range r.Notices {
		fmt.Fprintln(u.out, "  notice:", n)
	}
	fmt.Fprint(u.out, `look at, before the lock is committed: its numbers and kinds are for ever
  git diff proto spec                     the new messages
  git diff internal/access                who may reach what
then
  make check
  make conformance SPEC=`+u.Spec+"\n")
}
