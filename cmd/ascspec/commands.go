package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	validate "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/asc-gateway/asc-gateway/internal/apispec"
	"github.com/asc-gateway/asc-gateway/internal/protofiles"
	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/api/annotations"
)

// app is what the commands share: where the document is, and how to print.
type app struct {
	getenv func(string) string
	spec   string
	asJSON bool
}

func rootCommand(getenv func(string) string) *cobra.Command {
	a := &app{getenv: getenv}
	root := &cobra.Command{
		Use:           "ascspec",
		Short:         "Apple's App Store Connect OpenAPI document: explore, compare, generate",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&a.spec, "spec", "", "document to use instead of the cached one")
	root.PersistentFlags().BoolVar(&a.asJSON, "json", false, "print JSON")
	root.AddCommand(
		a.fetch(),
		a.resources(),
		a.show(),
		a.schema(),
		a.search(),
		a.diff(),
		a.generate(),
		a.upgrade(),
		protodeps(),
		a.version(),
	)
	root.Version = built()
	root.SetVersionTemplate("ascspec {{.Version}}\n")
	return root
}

// file is the document in use.
func (a *app) file() (string, error) {
	if a.spec != "" {
		return a.spec, nil
	}
	return apispec.CachePath(a.getenv)
}

func (a *app) read() (*apispec.Document, error) {
	name, err := a.file()
	if err != nil {
		return nil, err
	}
	doc, _, err := apispec.ReadFile(name, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no document yet: run `ascspec fetch`, or name one by --spec (%w)", err)
	}
	return doc, err
}

func (a *app) fetch() *cobra.Command {
	var refresh bool
	var root string
	cmd := &cobra.Command{Use: "fetch", Short: "Download Apple's document into the cache", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := a.file()
			if err != nil {
				return err
			}
			doc, _, err := apispec.ReadFile(name, nil)
			if err != nil || refresh {
				fmt.Fprintln(cmd.ErrOrStderr(), "downloading", apispec.SpecURL)
				if doc, err = apispec.Fetch(cmd.Context(), http.DefaultClient, apispec.SpecURL, name); err != nil {
					return err
				}
			}
			fmt.Fprintf(
				cmd.OutOrStdout(),
				"%s  version %s, %d operations, sha256 %s\n",
				name,
				doc.Version,
				len(doc.Operations),
				doc.SHA256,
			)
			return besideLock(cmd.OutOrStdout(), root, doc)
		}}
	cmd.Flags().StringVar(&root, "root", ".", "folder of the project, whose lock is compared")
	cmd.Flags().BoolVar(&refresh, "refresh", false, "download it even if it is there")
	return cmd
}

// besideLock says whether the lock was made of this document. Without a lock
// there is nothing to say.
func besideLock(w io.Writer, root string, doc *apispec.Document) error {
	b, err := os.ReadFile(filepath.Join(root, "spec", "asc.lock.yaml"))
	if err != nil {
		return nil
	}
	lock, err := apispec.ParseLock(b)
	if err != nil {
		return err
	}
	switch {
	case lock.SHA256 == doc.SHA256:
		fmt.Fprintf(w, "the lock was made of this document\n")
	case lock.Version == doc.Version:
		fmt.Fprintf(w, "the lock was made of another text of version %s: `ascspec upgrade`\n", lock.Version)
	default:
		fmt.Fprintf(w, "the lock was made of version %s: `ascspec upgrade`\n", lock.Version)
	}
	return nil
}

// print writes v as JSON, or rows as a table.
func (a *app) print(w io.Writer, v any, header string, rows [][]string) error {
	if a.asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

func (a *app) resources() *cobra.Command {
	return &cobra.Command{Use: "resources", Short: "List the resources", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := a.read()
			if err != nil {
				return err
			}
			list := doc.ListResources()
			var rows [][]string
			for _, r := range list {
				rows = append(
					rows,
					[]string{r.Schema, r.Type, fmt.Sprint(r.Attributes), fmt.Sprint(r.Relations), fmt.Sprint(r.Operations)},
				)
			}
			return a.print(cmd.OutOrStdout(), list, "SCHEMA\tTYPE\tATTRIBUTES\tRELATIONSHIPS\tOPERATIONS", rows)
		}}
}

func (a *app) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show RESOURCE",
		Short: "List a resource's endpoints with their parameters and bodies",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := a.read()
			if err != nil {
				return err
			}
			return a.operations(cmd.OutOrStdout(), doc.Show(args[0]), args[0])
		},
	}
}

func (a *app) search() *cobra.Command {
	return &cobra.Command{Use: "search TEXT", Short: "Find operations by words", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := a.read()
			if err != nil {
				return err
			}
			text := strings.Join(args, " ")
			return a.operations(cmd.OutOrStdout(), doc.Search(text), text)
		}}
}

func (a *app) operations(w io.Writer, list []apispec.OperationInfo, asked string) error {
	if len(list) == 0 {
		return fmt.Errorf("nothing found for %q: see `ascspec resources`", asked)
	}
	var rows [][]string
	for _, o := range list {
		rows = append(rows, []string{o.Method, o.Path, strings.Join(o.Parameters, " "), strings.Join(o.Body, " ")})
	}
	return a.print(w, list, "METHOD\tPATH\tPARAMETERS (* required)\tBODY (* required)", rows)
}

func (a *app) schema() *cobra.Command {
	return &cobra.Command{Use: "schema NAME", Short: "Print a schema", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := a.read()
			if err != nil {
				return err
			}
			b, err := doc.SchemaJSON(args[0])
			if err != nil {
				return err
			}
			if b == nil {
				return fmt.Errorf("no schema %q", args[0])
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(json.RawMessage(b))
		}}
}

func (a *app) diff() *cobra.Command {
	return &cobra.Command{Use: "diff OLD NEW", Short: "List what an upgrade brings", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			before, _, err := apispec.ReadFile(args[0], nil)
			if err != nil {
				return err
			}
			after, _, err := apispec.ReadFile(args[1], nil)
			if err != nil {
				return err
			}
			changes := apispec.Diff(before, after)
			var rows [][]string
			breaking := 0
			for _, c := range changes {
				mark := c.Kind
				if c.Breaks {
					mark, breaking = mark+" breaks callers", breaking+1
				}
				rows = append(rows, []string{mark, c.What})
			}
			return a.print(
				cmd.OutOrStdout(),
				changes,
				fmt.Sprintf(
					"%s → %s\t%d changes, of which %d break callers",
					before.Version,
					after.Version,
					len(changes),
					breaking,
				),
				rows,
			)
		}}
}

func (a *app) generate() *cobra.Command {
	var check bool
	var root string
	cmd := &cobra.Command{Use: "generate", Short: "Generate proto/, the lock and the sandbox's facts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := a.file()
			if err != nil {
				return err
			}
			g := apispec.Generation{Root: root, Spec: name}
			r, err := g.Run()
			if err != nil {
				return err
			}
			for _, n := range r.Notices {
				fmt.Fprintln(cmd.ErrOrStderr(), "notice:", n)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "version %s: %d RPCs, %d resource messages, %d messages, %d enums, %d files\n",
				r.Version, r.Counts.RPCs, r.Counts.Resources, r.Counts.Messages, r.Counts.Enums, len(r.Files))
			if check {
				return g.Check(r)
			}
			return g.Write(r)
		}}
	cmd.Flags().BoolVar(&check, "check", false, "compare without writing")
	cmd.Flags().StringVar(&root, "root", ".", "folder of the project")
	return cmd
}

func protodeps() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "protodeps",
		Short: "Print google/api, google/longrunning and buf/validate protos from the Go modules",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := os.RemoveAll(out); err != nil {
				return err
			}
			_, err := protofiles.Write(
				out,
				annotations.File_google_api_annotations_proto,
				validate.File_buf_validate_validate_proto,
				longrunningpb.File_google_longrunning_operations_proto,
			)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", ".cache/proto", "folder to write to")
	return cmd
}
