package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/ca"
)

// snapshotVersion is that of the form of snapshots. Another is refused.
const snapshotVersion = 1

// maxSnapshotBytes bounds a snapshot, both when it is made and when it is read.
const maxSnapshotBytes = 512 << 20

// snapshot is the saved form of a world. Attributes are in the form of pack.
type snapshot struct {
	Version   int                       `json:"version"`
	Time      time.Time                 `json:"time"` // that the clock showed
	Scale     float64                   `json:"scale"`
	Random    []byte                    `json:"random"` // state of the PCG source
	Objects   []savedObject             `json:"objects"`
	Later     []savedEvent              `json:"later,omitempty"`
	Shown     map[string]map[string]any `json:"shown,omitempty"` // see once
	Faults    []savedFault              `json:"faults,omitempty"`
	Keys      map[string]savedKey       `json:"keys,omitempty"`
	Authority *ca.Authority             `json:"authority,omitempty"`
}

type savedObject struct {
	Type   string              `json:"type"`
	ID     string              `json:"id"`
	At     time.Time           `json:"at"`
	Attrs  map[string]any      `json:"attributes"`
	Rels   map[string][]string `json:"relationships"`
	Upload *savedUpload        `json:"upload,omitempty"`
}

type savedUpload struct {
	Secret string      `json:"secret"`
	Parts  []savedPart `json:"parts"`
	Hashed int         `json:"hashed,omitempty"` // of a large file: see upload
	Sum    []byte      `json:"sum,omitempty"`
	Sums   []string    `json:"sums,omitempty"`
	Head   []byte      `json:"head,omitempty"`
}

type savedPart struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Data   []byte `json:"data"` // null until it is there
}

type savedEvent struct {
	At   time.Time      `json:"at"`
	Type string         `json:"type"`
	ID   string         `json:"id"`
	Do   string         `json:"do"`
	With map[string]any `json:"with,omitempty"`
}

type savedFault struct {
	Fault
	Number int `json:"number"`
	Met    int `json:"met"`
	Used   int `json:"used"`
}

// savedKey is a key's public half and what was sent with it.
type savedKey struct {
	Public []byte   `json:"public,omitempty"` // PKIX; none for the key of a sandbox that checks no tokens
	Issuer string   `json:"issuer,omitempty"`
	Kind   keyKind  `json:"kind,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	Hour   window   `json:"hour,omitempty"`
	Minute window   `json:"minute,omitempty"`
}

// Snapshot is the whole world as JSON, for [Sandbox.Restore]: resources, unfinished
// uploads, what is to happen, the clock, the random numbers to come, faults, keys
// (their public halves) with their windows, and the sandbox's certificate authority
// with its private keys. The request log is not in it.
func (s *Sandbox) Snapshot() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot()
}

// snapshot is Snapshot while the sandbox is locked.
func (s *Sandbox) snapshot() ([]byte, error) {
	if s.store.bytes > maxSnapshotBytes/2 {
		return nil, errors.New("sandbox: too many bytes of unfinished uploads for a snapshot")
	}
	saved := snapshot{Version: snapshotVersion, Time: s.clock.now(s.cfg.Now()), Scale: s.clock.scale,
		Keys: map[string]savedKey{}, Shown: map[string]map[string]any{}, Authority: s.issuer}
	var err error
	if saved.Random, err = s.store.source.MarshalBinary(); err != nil {
		return nil, err
	}
	for _, typ := range slices.Sorted(maps.Keys(s.store.types)) {
		for _, o := range s.store.all(typ) {
			saved.Objects = append(saved.Objects, saveObject(o))
		}
	}
	for _, e := range s.store.later {
		saved.Later = append(saved.Later, savedEvent{e.At, e.Type, e.ID, e.Do, packMembers(e.With)})
	}
	for at, attrs := range s.shown {
		saved.Shown[at] = packMembers(attrs)
	}
	for _, f := range s.faults {
		saved.Faults = append(saved.Faults, savedFault{f.Fault, f.number, f.met, f.used})
	}
	for kid, k := range s.keys {
		if saved.Keys[kid], err = saveKey(k); err != nil {
			return nil, err
		}
	}
	out, err := json.Marshal(saved)
	if err == nil && len(out) > maxSnapshotBytes {
		err = errors.New("sandbox: the world is too large for a snapshot")
	}
	return out, err
}

func saveObject(o *object) savedObject {
	saved := savedObject{Type: o.typ, ID: o.id, At: o.at, Attrs: packMembers(o.attrs), Rels: o.rels}
	if o.upload != nil {
		u := o.upload
		saved.Upload = &savedUpload{Secret: u.secret, Hashed: u.hashed, Sum: u.sum, Sums: u.sums, Head: u.head}
		for _, p := range o.upload.parts {
			saved.Upload.Parts = append(saved.Upload.Parts, savedPart{p.offset, p.length, p.data})
		}
	}
	return saved
}

func saveKey(k *key) (savedKey, error) {
	saved := savedKey{Issuer: k.issuer, Kind: k.kind, Roles: k.roles, Hour: k.hour, Minute: k.minute}
	if k.public == nil {
		return saved, nil
	}
	var err error
	saved.Public, err = x509.MarshalPKIXPublicKey(k.public)
	return saved, err
}

// postSnapshot answers with the world.
func (s *Sandbox) postSnapshot(w http.ResponseWriter, _ *http.Request) {
	data, err := s.Snapshot()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // a caller that went away needs no answer
}

// postRestore takes a world that postSnapshot gave.
func (s *Sandbox) postRestore(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSnapshotBytes))
	if err == nil {
		err = s.Restore(data)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
