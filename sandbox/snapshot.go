package sandbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
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
		saved.Upload = &savedUpload{Secret: o.upload.secret}
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

// Restore makes the world that of a snapshot. Its clock goes on from what it
// showed then. Keys that the snapshot does not know stay. After an error the world
// is as it was.
func (s *Sandbox) Restore(data []byte) error {
	saved, err := readSnapshot(data)
	if err != nil {
		return fmt.Errorf("sandbox: snapshot: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.restore(saved); err != nil {
		return fmt.Errorf("sandbox: snapshot: %w", err)
	}
	return nil
}

func readSnapshot(data []byte) (*snapshot, error) {
	if len(data) > maxSnapshotBytes {
		return nil, fmt.Errorf("more than %d bytes", maxSnapshotBytes)
	}
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Version != snapshotVersion {
		return nil, fmt.Errorf("version %d, want %d", head.Version, snapshotVersion)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	d.UseNumber()
	saved := &snapshot{}
	if err := d.Decode(saved); err != nil {
		return nil, err
	}
	return saved, nil
}

// restore builds all anew before it replaces anything.
func (s *Sandbox) restore(saved *snapshot) error {
	if saved.Scale <= 0 {
		return errors.New("scale: want more than 0")
	}
	st := newStore(s.facts, 0)
	if err := st.source.UnmarshalBinary(saved.Random); err != nil {
		return fmt.Errorf("random: %w", err)
	}
	if err := s.restoreObjects(st, saved); err != nil {
		return err
	}
	if err := s.restoreEvents(st, saved); err != nil {
		return err
	}
	shown := map[string]map[string]any{}
	for at, attrs := range saved.Shown {
		var err error
		if shown[at], err = unpackMembers(attrs); err != nil {
			return fmt.Errorf("shown %s: %w", at, err)
		}
	}
	faults := make([]*fault, 0, len(saved.Faults))
	for i, f := range saved.Faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
		faults = append(faults, &fault{Fault: f.Fault, number: f.Number, met: f.Met, used: f.Used})
		s.numbered = max(s.numbered, f.Number)
	}
	keys, err := restoreKeys(saved.Keys)
	if err != nil {
		return err
	}
	for kid, k := range keys {
		if known := s.keys[kid]; known != nil {
			known.hour, known.minute = k.hour, k.minute
			continue
		}
		s.keys[kid] = k
	}
	if saved.Authority != nil {
		s.issuer = saved.Authority
	}
	s.store, s.shown, s.faults, s.hooks.line = st, shown, faults, nil
	s.clock = clock{real: s.cfg.Now(), shown: saved.Time, scale: saved.Scale}
	s.sendAgain(saved.Time)
	return nil
}

func (s *Sandbox) restoreObjects(st *store, saved *snapshot) error {
	known := s.facts.types()
	for _, x := range saved.Objects {
		if _, ok := slices.BinarySearch(known, x.Type); !ok {
			return fmt.Errorf("objects: there is no type %q", x.Type)
		}
		if x.ID == "" || st.get(x.Type, x.ID) != nil {
			return fmt.Errorf("objects: %s %q is there twice, or has no id", x.Type, x.ID)
		}
		attrs, err := unpackMembers(x.Attrs)
		if err != nil {
			return fmt.Errorf("objects: %s %s: %w", x.Type, x.ID, err)
		}
		o := &object{typ: x.Type, id: x.ID, at: x.At, attrs: attrs, rels: x.Rels}
		if o.rels == nil {
			o.rels = map[string][]string{}
		}
		for rel := range o.rels {
			if s.facts.relation(x.Type, rel) == nil {
				return fmt.Errorf("objects: %s has no relationship %q", x.Type, rel)
			}
		}
		if x.Upload != nil {
			o.upload = &upload{secret: x.Upload.Secret}
			for _, p := range x.Upload.Parts {
				o.upload.parts = append(o.upload.parts, part{p.Offset, p.Length, p.Data})
			}
			st.bytes += o.upload.size()
		}
		st.add(o)
	}
	return nil
}

func (s *Sandbox) restoreEvents(st *store, saved *snapshot) error {
	for i, e := range saved.Later {
		if s.actOf(e.Type, e.Do) == nil {
			return fmt.Errorf("later[%d]: %s has no act %q", i, e.Type, e.Do)
		}
		if i > 0 && e.At.Before(saved.Later[i-1].At) {
			return fmt.Errorf("later[%d]: is out of order", i)
		}
		with, err := unpackMembers(e.With)
		if err != nil {
			return fmt.Errorf("later[%d]: %w", i, err)
		}
		st.later = append(st.later, event{e.At, Act{Type: e.Type, ID: e.ID, Do: e.Do, With: with}})
	}
	return nil
}

func restoreKeys(saved map[string]savedKey) (map[string]*key, error) {
	keys := map[string]*key{}
	for kid, x := range saved {
		k := &key{issuer: x.Issuer, kind: x.Kind, roles: x.Roles, hour: x.Hour, minute: x.Minute}
		keys[kid] = k
		if kid == "" { // of a sandbox that checks no tokens
			continue
		}
		public, err := x509.ParsePKIXPublicKey(x.Public)
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		var ok bool
		if k.public, ok = public.(*ecdsa.PublicKey); !ok {
			return nil, errors.New("keys: one is no EC key")
		}
	}
	return keys, nil
}

// sendAgain sends deliveries that were on their way when the snapshot was made:
// their answers went to another world.
func (s *Sandbox) sendAgain(now time.Time) {
	due := map[string]bool{}
	for _, e := range s.store.later {
		due[e.Type+"/"+e.ID] = true
	}
	for _, d := range s.store.all("webhookDeliveries") {
		if d.text("deliveryState") == "PENDING" && !due[d.typ+"/"+d.id] {
			s.inner(now).at(now, d, "send", nil)
		}
	}
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
