// Package cli holds the commands that call a gateway: login, call, distribute,
// operations, upload and report. They know the methods from the descriptors, as every client does, and
// reach the gateway over gRPC only.
//
// It must never import what serves: a gateway in this process is given to it by a
// function.
package cli

import (
	"context"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Deps are what the commands need of their surroundings.
type Deps struct {
	// Getenv reads the environment.
	Getenv func(string) string
	// ConfigDir is the user's folder for configurations.
	ConfigDir func() (string, error)
	// CacheDir is the user's folder for what can be made again.
	CacheDir func() (string, error)
	// Sandbox starts a gateway before a sandbox in this process, and says where its
	// gRPC face is. nil: there is none.
	Sandbox func(context.Context) (address string, stop func(), err error)
	// HTTP fetches id-tokens. nil: a client without redirects.
	HTTP *http.Client
}

// Commands are those that call a gateway.
func Commands(d Deps) []*cobra.Command {
	return []*cobra.Command{loginCommand(d), callCommand(d), distributeCommand(d), operationsCommand(d), uploadCommand(d),
		reportCommand(d)}
}

func (d Deps) catalog() *catalog { return newCatalog(protoregistry.GlobalFiles) }

// isTerminal says whether a reader or writer is a terminal.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readMost reads all of r, of at most so many bytes.
func readMost(r io.Reader, most int64, what string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = usagef("%s is larger than %d bytes", what, most)
	}
	return b, err
}
