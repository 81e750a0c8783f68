package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxControlBytes bounds the bodies of the control API.
const maxControlBytes = 64 << 10

// resetPath is where a world is made new again.
const resetPath = "/_sandbox/reset"

// control is the sandbox's own API, below /_sandbox/. It answers on loopback
// only. Uploads and files are there too, for everyone who knows their URLs.
func (s *Sandbox) control() {
	s.mux.HandleFunc("PUT /_sandbox/upload/{type}/{id}/{part}", s.putPart)
	s.mux.HandleFunc("GET /_sandbox/files/{id}", s.getFile)
	s.mux.HandleFunc("GET "+artifactsPath+"{id}", s.getArtifact)
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /_sandbox/faults":       s.listFaults,
		"POST /_sandbox/faults":      s.postFault,
		"DELETE /_sandbox/faults":    s.deleteFaults,
		"GET /_sandbox/acts":         s.listActs,
		"POST /_sandbox/act":         s.postAct,
		"GET /_sandbox/requests":     s.listRequests,
		"DELETE /_sandbox/requests":  s.deleteRequests,
		"POST /_sandbox/form/act":    pageForm(s.formAct),
		"POST /_sandbox/form/clock":  pageForm(s.formClock),
		"POST /_sandbox/form/fault":  pageForm(s.formFault),
		"POST " + resetPath:          s.postReset,
		"POST /_sandbox/snapshot":    s.postSnapshot,
		"POST /_sandbox/restore":     s.postRestore,
		"POST /_sandbox/clock":       s.postClock,
		"POST /_sandbox/keys":        s.postKey,
		"GET /_sandbox/ca":           s.getCA,
		"GET /_sandbox/state":        s.state,
		"GET /_sandbox/state/{type}": s.stateOf,
	} {
		s.mux.HandleFunc(pattern, onLoopback(h))
	}
}

// onLoopback refuses what did not arrive at a loopback address, and writes from pages
// of other origins. A request that arrived at none was made in process.
func onLoopback(h http.HandlerFunc) http.HandlerFunc {
	origins := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && !at.IP.IsLoopback() {
			refuse(w, http.StatusForbidden, "the control API answers on loopback only")
			return
		}
		if origins.Check(r) != nil {
			refuse(w, http.StatusForbidden, "the control API takes nothing from pages of other origins")
			return
		}
		h(w, r)
	}
}

// ask reads the body of a control request, strictly.
func ask(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return false
	}
	return true
}

// tell answers with what f makes of the state, while it is locked.
func (s *Sandbox) tell(w http.ResponseWriter, f func() any) {
	rec := newReply()
	s.mu.Lock()
	rec.json(http.StatusOK, f())
	s.mu.Unlock()
	rec.send(w)
}

func (s *Sandbox) listFaults(w http.ResponseWriter, _ *http.Request) {
	type shown struct {
		Fault
		Met  int `json:"met"`
		Used int `json:"used"`
	}
	s.tell(w, func() any {
		list := []shown{}
		for _, f := range s.faults {
			list = append(list, shown{f.Fault, f.met, f.used})
		}
		return map[string]any{"faults": list}
	})
}

func (s *Sandbox) postFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if !ask(w, r, &f) {
		return
	}
	if err := f.check(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.AddFault(f)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) deleteFaults(w http.ResponseWriter, _ *http.Request) {
	s.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

// postReset resets a world. Where each key has one, it says which: without ?world= it
// is only the one that no key sees.
func (s *Sandbox) postReset(w http.ResponseWriter, r *http.Request) {
	s.Reset()
	if !s.cfg.PerKey {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	list := []string{}
	note := "only the world that no key sees was reset: ?world=KEYID resets that of a key, ?world=* all"
	if r.URL.Query().Get("world") == everyWorld {
		note = "the worlds of all keys were reset, and the one that no key sees"
		for _, x := range s.allWorlds() {
			x.Reset()
			list = append(list, x.name)
		}
	}
	rec := newReply()
	rec.json(http.StatusOK, map[string]any{"worlds": list, "note": note})
	rec.send(w)
}

// postClock sets the clock ahead, and how fast it goes.
func (s *Sandbox) postClock(w http.ResponseWriter, r *http.Request) {
	var c struct {
		Ahead string  `json:"ahead"` // "90m"
		Scale float64 `json:"scale"` // as before if 0
	}
	if !ask(w, r, &c) {
		return
	}
	ahead, err := time.ParseDuration(c.Ahead)
	if c.Ahead != "" && err != nil || ahead < 0 || c.Scale < 0 {
		refuse(w, http.StatusBadRequest, `want {"ahead": "90m", "scale": 60}, neither below zero`)
		return
	}
	s.SetClock(ahead, c.Scale)
	w.WriteHeader(http.StatusNoContent)
}

// SetClock sets the sandbox's clock ahead and says how fast it goes from now on:
// 60 makes an hour of a minute, 0 leaves the speed as it is. What was to happen
// until then has happened at the next request.
func (s *Sandbox) SetClock(ahead time.Duration, scale float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if scale == 0 {
		scale = s.clock.scale
	}
	s.clock.set(s.cfg.Now(), scale, ahead)
}

// Now is what the sandbox's clock shows.
func (s *Sandbox) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock.now(s.cfg.Now())
}

// formClock is a button of the page: the clock goes ahead.
func (s *Sandbox) formClock(form url.Values) (int, error) {
	ahead, err := time.ParseDuration(form.Get("ahead"))
	if err != nil || ahead < 0 {
		return http.StatusBadRequest, errors.New("ahead: want a duration such as 1h, not below zero")
	}
	s.SetClock(ahead, 0)
	return 0, nil
}

// postKey registers a public key.
func (s *Sandbox) postKey(w http.ResponseWriter, r *http.Request) {
	var k struct {
		ID         string   `json:"id"`
		Issuer     string   `json:"issuer"`     // that of the sandbox if ""
		Individual bool     `json:"individual"` // no issuer at all
		Roles      []string `json:"roles"`      // all if none
		PublicKey  string   `json:"public_key"` // PEM block PUBLIC KEY, on P-256
	}
	if !ask(w, r, &k) {
		return
	}
	public, err := parsePublic(k.PublicKey)
	switch {
	case err != nil || k.ID == "":
		refuse(w, http.StatusBadRequest, `want {"id": …, "public_key": a PEM block PUBLIC KEY on P-256}`)
		return
	case k.Individual:
		s.RegisterIndividualKey(k.ID, public)
	default:
		s.RegisterTeamKey(k.ID, k.Issuer, public)
	}
	s.RestrictKey(k.ID, k.Roles...)
	w.WriteHeader(http.StatusNoContent)
}

func parsePublic(text string) (*ecdsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, errors.New("not an EC key on P-256")
	}
	return public, nil
}

// state tells how many objects there are, which operations were called, and
// what is left of each key's hour.
func (s *Sandbox) state(w http.ResponseWriter, _ *http.Request) {
	s.tell(w, func() any {
		now := s.clock.now(s.cfg.Now())
		counts, left := map[string]int{}, map[string]int{}
		for typ, t := range s.store.types {
			counts[typ] = len(t.order)
		}
		for kid, k := range s.keys {
			k.hour = k.hour.slide(now, time.Hour)
			left[kid] = max(0, s.cfg.HourLimit-len(k.hour))
		}
		return map[string]any{"objects": counts, "calls": s.calls, "left": left, "time": now.UTC().Format(time.RFC3339)}
	})
}

// withoutSecrets are attributes without those that Apple never returns.
func withoutSecrets(attrs map[string]any) map[string]any {
	if attrs["secret"] == nil {
		return attrs
	}
	shown := maps.Clone(attrs)
	shown["secret"] = "[redacted]"
	return shown
}

// stateOf tells all about the objects of a type.
func (s *Sandbox) stateOf(w http.ResponseWriter, r *http.Request) {
	s.tell(w, func() any {
		s.happen(s.clock.now(s.cfg.Now()))
		list := []any{}
		for _, o := range s.store.all(r.PathValue("type")) {
			list = append(list, raw(o))
		}
		return map[string]any{"objects": list}
	})
}
