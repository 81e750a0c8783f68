package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/keys/vaultkey"
)

// backendsOf are the custodies that this program has: its own, and those that
// the program of another module adds.
func backendsOf(cfg *config.Config, extra []keys.Backend) (keys.Backends, error) {
	list := keys.Backends{filekey.Backend{Dir: cfg.Dir()}}
	if v := cfg.Vault; v != nil {
		b, err := vaultkey.New(vaultkey.Config{Address: v.Address, Namespace: v.Namespace, Mount: v.Mount,
			CAFile: v.CAFile, Proxy: v.Proxy, Auth: vaultkey.Auth(v.Auth)}, time.Now)
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		list = append(list, b)
	}
	return append(list, extra...), nil
}

// keyFiles are the files that keys are kept in.
func keyFiles(cfg *config.Config) (names []string) {
	files := filekey.Backend{Dir: cfg.Dir()}
	for _, t := range cfg.Teams {
		for _, k := range t.Keys {
			if strings.HasPrefix(k.URI, files.Scheme()+":") {
				names = append(names, files.Path(k.URI))
			}
		}
	}
	return names
}
