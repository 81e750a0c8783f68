// Package audit writes who did what with the organisation's keys: JSON lines in
// a chain of hashes, so that a line that was changed, removed, inserted or moved
// shows.
//
// A line is a JSON object whose last member is "hash": the hexadecimal SHA-256
// of the line's bytes as they were without that member. "prev" is the hash of
// the line before, "seq" counts the lines of one chain, and every start of the
// process begins a chain whose first line names the end of the one before.
//
// What is written is bounded and escaped; it must never hold a token, a key, or
// the body of a request.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// Events.
const (
	Start   = "start"
	Stop    = "stop"
	Intent  = "intent"  // before a call that changes something
	Outcome = "outcome" // after it
	Denial  = "denial"  // of a call; also of one that only audit mode allowed
	Signing = "signing" // a key signed a token for the gateway itself
	Grant   = "grant"   // a token was given out
	Reload  = "reload"  // of configuration, keys, certificates or policy
)

// Record is one line, but for what the log adds.
type Record struct {
	Event     string   `json:"event"`
	Call      string   `json:"call,omitempty"` // ties an outcome to its intent
	Principal string   `json:"principal,omitempty"`
	Rule      string   `json:"rule,omitempty"` // of the policy
	Method    string   `json:"method,omitempty"`
	Team      string   `json:"team,omitempty"`
	Resources []string `json:"resources,omitempty"` // "type/id"
	Cut       int      `json:"cut,omitempty"`       // resources left out
	Key       string   `json:"key,omitempty"`       // Apple's key id
	Request   string   `json:"request,omitempty"`   // Apple's request id
	Outcome   string   `json:"outcome,omitempty"`   // gRPC code
	Reason    string   `json:"reason,omitempty"`
	Trace     string   `json:"trace,omitempty"`  // W3C trace id
	Token     string   `json:"token,omitempty"`  // SHA-256 of a token given out
	Detail    string   `json:"detail,omitempty"` // in words
}

// line is a record as it is written, without its hash.
type line struct {
	Seq   uint64 `json:"seq"`
	Time  string `json:"time"` // RFC 3339, UTC
	Chain string `json:"chain"`
	Record
	Prev string `json:"prev"`
}

// Bounds of a record.
const (
	maxText      = 1024
	maxResources = 100
)

// seal makes the bytes of a line and its hash.
func seal(seq uint64, at time.Time, chain, prev string, r Record) (text []byte, hash string) {
	l := line{Seq: seq, Time: at.UTC().Format(time.RFC3339Nano), Chain: chain, Record: r.bounded(), Prev: prev}
	b, err := json.Marshal(l)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	sum := sha256.Sum256(b)
	hash = hex.EncodeToString(sum[:])
	b = append(b[:len(b)-1], `,"hash":"`...)
	b = append(b, hash...)
	return append(b, "\"}\n"...), hash
}

// bounded cuts what is too long and hides what looks like a secret.
func (r Record) bounded() Record {
	for _, s := range []*string{&r.Event, &r.Call, &r.Principal, &r.Rule, &r.Method, &r.Team, &r.Key, &r.Request, &r.Outcome, &r.Reason, &r.Trace, &r.Token, &r.Detail} {
		*s = clean(*s)
	}
	if len(r.Resources) > maxResources {
		r.Cut += len(r.Resources) - maxResources
		r.Resources = r.Resources[:maxResources]
	}
	kept := make([]string, len(r.Resources))
	for i, s := range r.Resources {
		kept[i] = clean(s)
	}
	if len(kept) > 0 {
		r.Resources = kept
	}
	return r
}

func clean(s string) string {
	if strings.Contains(s, "-----BEGIN") || strings.Contains(s, "eyJ") && strings.Count(s, ".") >= 2 {
		return "[redacted]"
	}
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	return s
}
