package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// maxWorlds bounds the worlds of a sandbox with World.PerKey.
const maxWorlds = 1000

// worldPrefix begins the name of a key's directory below World.State.
const worldPrefix = "key-"

// worlds are those of single keys, by key id. The sandbox that has them answers
// what names none of its keys.
type worlds struct {
	mu    sync.Mutex // taken before the lock of any sandbox
	byKey map[string]*Sandbox
}

// loadWorlds opens the worlds that are kept below World.State.
func (s *Sandbox) loadWorlds() error {
	if !s.cfg.PerKey || s.cfg.State == "" {
		return nil
	}
	kept, err := filepath.Glob(filepath.Join(s.cfg.State, worldPrefix+"*"))
	for _, dir := range kept {
		kid, wrong := url.PathUnescape(strings.TrimPrefix(filepath.Base(dir), worldPrefix))
		if info, broken := os.Stat(dir); wrong != nil || broken != nil || !info.IsDir() {
			continue
		}
		if _, err := s.worldOf(kid); err != nil {
			return err
		}
	}
	return err
}

// worldOf is the world of a key. It is made when it is first asked for.
func (s *Sandbox) worldOf(kid string) (*Sandbox, error) {
	s.worlds.mu.Lock()
	defer s.worlds.mu.Unlock()
	if w := s.worlds.byKey[kid]; w != nil {
		return w, nil
	}
	if len(s.worlds.byKey) >= maxWorlds {
		return nil, fmt.Errorf("there are %d worlds already", maxWorlds)
	}
	cfg := s.cfg
	cfg.PerKey = false
	sum := fnv.New64a()
	fmt.Fprint(sum, cfg.Random, kid) // a hash takes everything
	cfg.Random = sum.Sum64()         // ids and signatures are not those of another world
	if cfg.State != "" {
		cfg.State = filepath.Join(cfg.State, worldPrefix+url.PathEscape(kid))
	}
	w, err := open(cfg, s.facts)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	w.name, w.base, w.URL = kid, s.base, s.URL
	s.mu.Unlock()
	if kid == s.Key.ID {
		w.Key = s.Key
	}
	if s.worlds.byKey == nil {
		s.worlds.byKey = map[string]*Sandbox{}
	}
	s.worlds.byKey[kid] = w
	return w, nil
}

// WorldOf is the world of a key, with World.PerKey. It is made if the key has not been
// used. Its methods act on it alone; calls over HTTP go to the URL of all worlds, and
// find it by their key. Without World.PerKey it is the one world.
func (s *Sandbox) WorldOf(kid string) (*Sandbox, error) {
	if !s.cfg.PerKey {
		return s, nil
	}
	w, err := s.worldKnowing(kid, s.keyOf(kid))
	if err != nil {
		return nil, fmt.Errorf("sandbox: the world of %q: %w", kid, err)
	}
	return w, nil
}

// keyOf is a copy of a key, nil if it is not registered.
func (s *Sandbox) keyOf(kid string) *key {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[kid]
	if k == nil {
		return nil
	}
	known := *k
	return &known
}

// worldKnowing is the world of a key, which knows the key if it is registered.
func (s *Sandbox) worldKnowing(kid string, known *key) (*Sandbox, error) {
	w, err := s.worldOf(kid)
	if err == nil && known != nil {
		w.adopt(kid, *known)
	}
	return w, err
}

// everyWorld stands for the worlds of all keys in ?world=.
const everyWorld = "*"

// knownWorld is the world of a key, nil if the key has not been used.
func (s *Sandbox) knownWorld(kid string) *Sandbox {
	s.worlds.mu.Lock()
	defer s.worlds.mu.Unlock()
	return s.worlds.byKey[kid]
}

// allWorlds are those of all keys that were used.
func (s *Sandbox) allWorlds() (list []*Sandbox) {
	s.worlds.mu.Lock()
	defer s.worlds.mu.Unlock()
	for _, w := range s.worlds.byKey {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *Sandbox) int { return cmp.Compare(a.name, b.name) })
	return list
}

// route finds the world that a request is for: that of its key, of ?world= for the
// control API and the page, of the signature for uploads and files.
func (s *Sandbox) route(r *http.Request) (*Sandbox, error) {
	control := strings.HasPrefix(r.URL.Path, "/_sandbox/") || r.URL.Path == "/" || r.URL.Path == "/sales"
	switch kid := r.URL.Query().Get("world"); {
	case !s.cfg.PerKey || strings.HasPrefix(r.URL.Path, "/assets/"):
		return s, nil
	case r.URL.Query().Get("signature") != "" && control:
		return s.signedFor(r), nil
	case control && kid == everyWorld && r.URL.Path == resetPath:
		return s, nil
	case control && kid != "":
		if w := s.knownWorld(kid); w != nil {
			return w, nil
		}
		return nil, fmt.Errorf("no key %q has been used", kid)
	case control:
		return s, nil
	}
	kid := kidOf(r)
	known := s.keyOf(kid)
	if kid == "" || known == nil && !s.cfg.NoAuth {
		return s, nil
	}
	return s.worldKnowing(kid, known)
}

// adopt makes a world know a key as the sandbox that has the world does.
func (s *Sandbox) adopt(kid string, k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mine := s.keys[kid]; mine != nil {
		mine.public, mine.issuer, mine.kind, mine.roles = k.public, k.issuer, k.kind, k.roles
		return
	}
	s.keys[kid] = &key{public: k.public, issuer: k.issuer, kind: k.kind, roles: k.roles}
}

// signedFor is the world that made the signed URL of an upload or a file.
func (s *Sandbox) signedFor(r *http.Request) *Sandbox {
	parts := strings.Split(r.URL.Path, "/") // "", "_sandbox", "upload", type, id, part; or "files", id
	for _, w := range s.allWorlds() {
		w.mu.Lock()
		var o *object
		switch {
		case len(parts) == 6 && parts[2] == "upload":
			o = w.store.get(parts[3], parts[4])
			if o != nil && (o.upload == nil || o.upload.secret != r.URL.Query().Get("signature")) {
				o = nil
			}
		case len(parts) == 4 && parts[2] == "files":
			o = w.store.get("analyticsReportSegments", parts[3])
		case len(parts) == 4 && parts[2] == "artifacts":
			o = w.store.get(ciArtifacts, parts[3])
		}
		w.mu.Unlock()
		if o != nil {
			return w
		}
	}
	return s
}

// kidOf is the key id that a bearer token names, unchecked; "" if it names none.
func kidOf(r *http.Request) string {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	head, _, ok := strings.Cut(bearer, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	var h struct {
		Kid string `json:"kid"`
	}
	if !ok || err != nil || len(raw) > maxLoggedBytes || json.Unmarshal(raw, &h) != nil || len(h.Kid) > 100 {
		return ""
	}
	return h.Kid
}

// of is the query that leads the page's forms to its world.
func (s *Sandbox) of() string {
	if s.name == "" {
		return ""
	}
	return "?world=" + url.QueryEscape(s.name)
}
