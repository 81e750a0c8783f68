package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Bounds of a record, in bytes before JSON escapes them. All texts together are
// at most maxContent: escaped, with what the log adds, that is a line of at most
// 25 KiB, and of less than 1 KiB for a usual call.
const (
	maxContent   = 4096
	maxDenied    = 1024 // of a denial: resources are left out beyond it
	maxWord      = 128  // codes, ids of calls, keys and requests
	maxName      = 512  // principal, method
	maxDetail    = 512
	maxResource  = 256
	maxResources = 100
)

// bounded cuts what is too long and hides what looks like a secret. Resources
// are kept while all texts together stay below most bytes.
func (r Record) bounded(most int) Record {
	for _, f := range [...]struct {
		text *string
		most int
	}{
		{&r.Event, maxWord}, {&r.Call, maxWord}, {&r.Team, maxWord}, {&r.Key, maxWord}, {&r.Request, maxWord},
		{&r.Outcome, maxWord}, {&r.Reason, maxWord}, {&r.Trace, maxWord}, {&r.Token, maxWord},
		{&r.Rule, maxName / 2}, {&r.Via, maxName / 2}, {&r.Principal, maxName}, {&r.Method, maxName}, {&r.Detail, maxDetail},
	} {
		*f.text = clean(*f.text, f.most)
		most -= len(*f.text)
	}
	if len(r.Resources) == 0 {
		return r
	}
	kept := make([]string, 0, min(len(r.Resources), maxResources))
	for _, s := range r.Resources {
		s = clean(s, maxResource)
		if len(kept) == maxResources || len(s) > most {
			break
		}
		most -= len(s)
		kept = append(kept, s)
	}
	if left := r.Resources[len(kept):]; len(left) > 0 {
		r.Cut += len(left)
		r.CutSHA256 = hashOf(left)
	}
	r.Resources = kept
	return r
}

// content is the length of all texts.
func (r *Record) content() int {
	n := len(r.Event) + len(r.Call) + len(r.Team) + len(r.Key) + len(r.Request) + len(r.Outcome) + len(r.Reason) +
		len(r.Trace) + len(r.Token) + len(r.Via) + len(r.Rule) + len(r.Principal) + len(r.Method) + len(r.Detail)
	for _, s := range r.Resources {
		n += len(s)
	}
	return n
}

func hashOf(list []string) string {
	h := sha256.New()
	for _, s := range list {
		h.Write([]byte(s))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// clean makes a text valid UTF-8 of at most so many bytes, or hides it.
func clean(s string, most int) string {
	if strings.Contains(s, "-----BEGIN") || strings.Contains(s, "eyJ") && strings.Count(s, ".") >= 2 {
		return "[redacted]"
	}
	whole := s
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	if len(s) <= most {
		return s
	}
	sum := sha256.Sum256([]byte(whole))
	mark := "…sha256:" + hex.EncodeToString(sum[:8])
	end := most - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
