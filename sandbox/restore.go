package sandbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

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
	if err := st.fits(!s.cfg.NoRules); err != nil {
		return fmt.Errorf("objects: %w", err)
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
	if len(saved.Faults) > maxFaults {
		return fmt.Errorf("faults: more than %d", maxFaults)
	}
	faults, numbered := make([]*fault, 0, len(saved.Faults)), s.numbered
	for i, f := range saved.Faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
		faults = append(faults, &fault{Fault: f.Fault, number: f.Number, met: f.Met, used: f.Used})
		numbered = max(numbered, f.Number)
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
	s.store, s.shown, s.faults, s.numbered = st, shown, faults, numbered
	s.hooks.open()
	s.clock = clock{real: s.cfg.Now(), shown: saved.Time, scale: saved.Scale}
	s.sendAgain(saved.Time)
	return nil
}

func (s *Sandbox) restoreObjects(st *store, saved *snapshot) error {
	known := s.facts.types()
	for _, x := range saved.Objects {
		_, own := s.behaviors[x.Type] // agreements are in no document
		if _, ok := slices.BinarySearch(known, x.Type); !ok && !own {
			return fmt.Errorf("objects: there is no type %q", x.Type)
		}
		if pointTypes[x.Type] != "" {
			return fmt.Errorf("objects: %s are not kept", x.Type)
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
			if r := s.facts.relation(x.Type, rel); r == nil || r.name != rel {
				return fmt.Errorf("objects: %s has no relationship %q", x.Type, rel)
			}
		}
		if x.Upload != nil {
			u := x.Upload
			o.upload = &upload{secret: u.Secret, hashed: u.Hashed, sum: u.Sum, sums: u.Sums, head: u.Head}
			for _, p := range x.Upload.Parts {
				o.upload.parts = append(o.upload.parts, part{p.Offset, p.Length, p.Data})
			}
			if err := o.upload.check(); err != nil {
				return fmt.Errorf("objects: the upload of %s %s: %w", x.Type, x.ID, err)
			}
			st.bytes += o.upload.size()
		}
		st.add(o)
	}
	for _, typ := range sortedKeys(st.types) {
		for _, o := range st.all(typ) {
			st.point(o)
		}
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
