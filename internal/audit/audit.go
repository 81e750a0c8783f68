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
//
// Beside the log stand two files of ours: PATH.lock, which keeps a second
// process away, and PATH.reserve, which keeps disk room for outcomes.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
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

// Record is one line, but for what the log adds. Texts that are too long are
// cut: they end in "…sha256:" and the first 16 hexadecimal digits of the hash of
// the whole text.
type Record struct {
	Event     string   `json:"event"`
	Call      string   `json:"call,omitempty"` // ties an outcome to its intent
	Principal string   `json:"principal,omitempty"`
	Rule      string   `json:"rule,omitempty"` // of the policy
	Method    string   `json:"method,omitempty"`
	Team      string   `json:"team,omitempty"`
	Resources []string `json:"resources,omitempty"`  // "type/id"
	Cut       int      `json:"cut,omitempty"`        // resources left out
	CutSHA256 string   `json:"cut_sha256,omitempty"` // of those left out, each with a newline behind it
	Key       string   `json:"key,omitempty"`        // Apple's key id
	Request   string   `json:"request,omitempty"`    // Apple's request id
	Outcome   string   `json:"outcome,omitempty"`    // gRPC code
	Reason    string   `json:"reason,omitempty"`
	Trace     string   `json:"trace,omitempty"`  // W3C trace id
	Via       string   `json:"via,omitempty"`    // the call or the operation that made this one on the caller's behalf
	Token     string   `json:"token,omitempty"`  // SHA-256 of a token given out
	Detail    string   `json:"detail,omitempty"` // in words
	// Count is set where one record stands for several denials: how many. The
	// other members are those of the first.
	Count int `json:"count,omitempty"`
}

// line is a record as it is written, without its hash.
type line struct {
	Seq   uint64 `json:"seq"`
	Time  string `json:"time"` // RFC 3339, UTC
	Chain string `json:"chain"`
	Record
	Prev string `json:"prev"`
}

// seal makes the bytes of a line and its hash. The record is bounded already.
func seal(seq uint64, at time.Time, chain, prev string, r Record) (text []byte, hash string) {
	b, err := json.Marshal(line{Seq: seq, Time: at.UTC().Format(time.RFC3339Nano), Chain: chain, Record: r, Prev: prev})
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	sum := sha256.Sum256(b)
	hash = hex.EncodeToString(sum[:])
	b = append(b[:len(b)-1], `,"hash":"`...)
	b = append(b, hash...)
	return append(b, "\"}\n"...), hash
}
