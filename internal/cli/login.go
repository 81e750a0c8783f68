package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"text/tabwriter"
	"time"

	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const loginHelp = `Keep the address of a gateway and a credential for it, in a file that only you can read (mode 0600).

The token is read from standard input, or asked for on a terminal. With --token-file or --id-token-env the file or the
variable is named, and read for each call. In GitHub Actions no credential is needed: the id-token is fetched.

The address is HOST:PORT of the gRPC face; without a port 9090. TLS is the default, but for loopback addresses and
http://. The login is tried out before it is kept, unless --no-check is given.`

// checkTime bounds the call that tries a login out.
const checkTime = 15 * time.Second

func loginCommand(d Deps) *cobra.Command {
	c := &connection{}
	var name string
	var noCheck bool
	cmd := &cobra.Command{Use: "login ADDRESS", Short: "Keep the address of a gateway and a credential", Long: loginHelp,
		Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			c.Address = args[0]
			if err := c.transport(); err != nil {
				return err
			}
			if err := c.absolute(); err != nil {
				return err
			}
			if err := c.askToken(cmd, d); err != nil {
				return err
			}
			if !noCheck {
				if err := c.try(cmd.Context(), d); err != nil {
					return err
				}
			}
			return keep(cmd, d, name, c.login)
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "name of the login; default the host")
	cmd.Flags().BoolVar(&noCheck, "no-check", false, "keep it without trying it out")
	cmd.AddCommand(loginListCommand(d), loginUseCommand(d), loginRemoveCommand(d))
	return cmd
}

// absolute makes paths that hold wherever a later command runs.
func (c *connection) absolute() (err error) {
	for _, p := range []*string{&c.CAFile, &c.CertFile, &c.KeyFile, &c.TokenFile} {
		if *p != "" && err == nil {
			*p, err = filepath.Abs(*p)
		}
	}
	return err
}

// askToken reads the token that is kept: on a terminal without showing it.
func (c *connection) askToken(cmd *cobra.Command, d Deps) error {
	if credentialOf(d, &c.login) != nil || c.CertFile != "" {
		return nil
	}
	in := cmd.InOrStdin()
	var b []byte
	var err error
	if f, ok := in.(interface{ Fd() uintptr }); ok && isTerminal(in) {
		fmt.Fprint(cmd.ErrOrStderr(), "Token (empty: none): ")
		b, err = term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
	} else {
		b, err = readMost(in, maxTokenBytes, "standard input")
	}
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return err
	}
	c.Token, err = clean(string(b), "standard input")
	return err
}

// try makes one call that reads nothing of Apple's. A caller who may not make it
// is known all the same.
func (c *connection) try(ctx context.Context, d Deps) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	conn, err := c.dial(ctx, d)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = catalogv1.NewCatalogServiceClient(conn).SearchOperations(ctx,
		&catalogv1.SearchOperationsRequest{Query: "apps_getInstance"}, grpc.WaitForReady(false))
	if err == nil || status.Code(err) == codes.PermissionDenied {
		return nil
	}
	return answered(catalogv1.CatalogService_SearchOperations_FullMethodName, err)
}

// keep adds a login, and makes it the one that is used.
func keep(cmd *cobra.Command, d Deps, name string, l login) error {
	if name == "" {
		name, _, _ = net.SplitHostPort(l.Address)
	}
	if clip(name) != name {
		return usagef("--name: want a short, plain name")
	}
	k, err := readContexts(d)
	if err != nil {
		return err
	}
	k.Contexts[name], k.Current = l, name
	if err := k.write(d); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "logged in to %s as %q; try: gateway call ListApps page_size=2\n", l.Address, name)
	return nil
}

// loginSays is a login without its secrets.
type loginSays struct {
	Name       string `json:"name"`
	Address    string `json:"address"`
	TLS        bool   `json:"tls"`
	Credential string `json:"credential"`
	Current    bool   `json:"current"`
}

func loginListCommand(d Deps) *cobra.Command {
	var output string
	cmd := &cobra.Command{Use: "list", Short: "List the logins; no token is shown", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := readContexts(d)
			if err != nil {
				return err
			}
			list := []loginSays{}
			for _, name := range sortedKeys(k.Contexts) {
				l := k.Contexts[name]
				list = append(list, loginSays{name, l.Address, !l.Plaintext, l.credential(), name == k.Current})
			}
			return printLogins(cmd.OutOrStdout(), output, list)
		}}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printLogins(w io.Writer, output string, list []loginSays) error {
	switch output {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(list)
	case "text":
	default:
		return usagef("--output: want text or json, not %q", clip(output))
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\tNAME\tADDRESS\tTLS\tCREDENTIAL")
	for _, l := range list {
		mark := " "
		if l.Current {
			mark = "*"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%v\t%s\n", mark, l.Name, l.Address, l.TLS, l.Credential)
	}
	return t.Flush()
}

func (l *login) credential() string {
	switch {
	case l.TokenFile != "":
		return "file " + l.TokenFile
	case l.IDTokenEnv != "":
		return "variable " + l.IDTokenEnv
	case l.Token != "":
		return "token"
	case l.CertFile != "":
		return "certificate " + l.CertFile
	}
	return "none"
}

func loginUseCommand(d Deps) *cobra.Command {
	return &cobra.Command{Use: "use NAME", Short: "Use another login", Args: cobra.ExactArgs(1),
		ValidArgsFunction: completeLogin(d),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeLogins(cmd, d, args[0], "using", func(k *kept) { k.Current = args[0] })
		}}
}

func loginRemoveCommand(d Deps) *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "Forget a login and its token", Args: cobra.ExactArgs(1),
		ValidArgsFunction: completeLogin(d),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeLogins(cmd, d, args[0], "removed", func(k *kept) {
				delete(k.Contexts, args[0])
				if k.Current == args[0] {
					k.Current = ""
				}
			})
		}}
}

func changeLogins(cmd *cobra.Command, d Deps, name, done string, change func(*kept)) error {
	k, err := readContexts(d)
	if err != nil {
		return err
	}
	if _, ok := k.Contexts[name]; !ok {
		return usagef("there is no login %q%s", clip(name), hint(name, sortedKeys(k.Contexts)))
	}
	change(k)
	if err := k.write(d); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), done, name)
	return nil
}

func completeLogin(d Deps) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		k, err := readContexts(d)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return sortedKeys(k.Contexts), cobra.ShellCompDirectiveNoFileComp
	}
}
