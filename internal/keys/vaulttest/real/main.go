// Command real serves the transit engine of HashiCorp Vault itself, without the
// rest of Vault, so that it can judge our client of it. It is a module of its
// own: nothing of the gateway depends on it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/logical"
)

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "real:", err)
		os.Exit(1)
	}
}

// engine is a transit engine over HTTP, as Vault serves it.
type engine struct {
	backend logical.Backend
	storage logical.Storage
}

func serve(listen string) error {
	ctx := context.Background()
	storage := &logical.InmemStorage{}
	b, err := transit.Factory(ctx, &logical.BackendConfig{StorageView: storage, System: logical.TestSystemView()})
	if err != nil {
		return err
	}
	if err := b.Initialize(ctx, &logical.InitializationRequest{Storage: storage}); err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return http.Serve(l, &engine{b, storage})
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/transit/")
	if !ok || r.Header.Get("X-Vault-Token") != "root-token" {
		answer(w, http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
		return
	}
	req := &logical.Request{Operation: logical.ReadOperation, Path: path, Storage: e.storage, Data: map[string]any{}}
	if r.Method != http.MethodGet {
		req.Operation = logical.UpdateOperation
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		d.UseNumber()
		if err := d.Decode(&req.Data); err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"errors": []string{err.Error()}})
			return
		}
	}
	res, err := e.backend.HandleRequest(r.Context(), req)
	switch {
	case err != nil || res != nil && res.IsError():
		if err == nil {
			err = res.Error()
		}
		answer(w, http.StatusBadRequest, map[string]any{"errors": []string{err.Error()}})
	case res == nil && req.Operation == logical.ReadOperation:
		answer(w, http.StatusNotFound, map[string]any{"errors": []string{}})
	case res == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, http.StatusOK, map[string]any{"data": res.Data})
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
