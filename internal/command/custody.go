package command

import (
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
)

// backendsOf are the custodies that this program has: its own, and those that
// the program of another module adds.
func backendsOf(cfg *config.Config, extra []keys.Backend) (keys.Backends, error) {
	list := keys.Backends{filekey.Backend{Dir: cfg.Dir()}}
	return append(list, extra...), nil
}

// keyFiles are the files that keys are kept in.
func keyFiles(cfg *config.Config, extra []keys.Backend) (names []string) {
	backends, err := backendsOf(cfg, extra)
	if err != nil {
		return nil
	}
	for _, t := range cfg.Teams {
		for _, k := range t.Keys {
			b, err := backends.Find(k.URI)
			if w, ok := b.(keys.Watched); ok && err == nil {
				names = append(names, w.Files(k.URI)...)
			}
		}
	}
	return names
}
