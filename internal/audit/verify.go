package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLineBytes bounds a line that is read: all texts of a record with each
// character escaped are 24 KiB, and earlier versions wrote longer ones.
const maxLineBytes = 64 << 10

// Line is a line that was read.
type Line struct {
	Seq   uint64 `json:"seq"`
	Time  string `json:"time"`
	Chain string `json:"chain"`
	Record
	Prev string `json:"prev"`
	Hash string `json:"hash"`
}

var errLine = errors.New("is no line of an audit log")

// parseLine reads a line and checks its own hash.
func parseLine(b []byte) (*Line, error) {
	i := bytes.LastIndex(b, []byte(`,"hash":"`))
	if i < 0 || len(b) != i+9+64+2 {
		return nil, errLine
	}
	var l Line
	if json.Unmarshal(b, &l) != nil || l.Seq == 0 || l.Chain == "" {
		return nil, errLine
	}
	h := sha256.New()
	h.Write(b[:i])
	h.Write([]byte("}"))
	if hex.EncodeToString(h.Sum(nil)) != l.Hash {
		return nil, errors.New("was changed: its hash does not fit")
	}
	return &l, nil
}

// Report is what a verification found.
type Report struct {
	Lines    int
	Chains   int
	Problems []string
	Notes    []string // what a crash or a kill explains
	Last     Position
	Ended    bool // the last chain ended with a stop
}

// Verifier checks the files of a log, oldest first.
type Verifier struct {
	// From is the hash of the last line before the first of the files, where the
	// beginning of the log is kept elsewhere. "": the files hold all of it.
	From string

	report Report
	last   *Line
	torn   string // of a line that a crash may explain
	begun  bool
}

// maxProblems bounds a report.
const maxProblems = 1000

func (v *Verifier) problem(format string, args ...any) {
	v.report.Problems = add(v.report.Problems, format, args...)
}

func (v *Verifier) note(format string, args ...any) {
	v.report.Notes = add(v.report.Notes, format, args...)
}

func add(list []string, format string, args ...any) []string {
	if len(list) < maxProblems {
		list = append(list, fmt.Sprintf(format, args...))
	}
	return list
}

// File checks one file. name is for the report; progress, if not nil, hears how
// many bytes were read.
func (v *Verifier) File(name string, r io.Reader, progress func(bytes int64)) error {
	var read int64
	n := 0
	for text, err := range Texts(r) {
		if err != nil {
			return err
		}
		n++
		read += int64(len(text)) + 1
		if len(text) > 0 {
			v.line(fmt.Sprintf("%s:%d", name, n), text)
		}
		if progress != nil && n%10_000 == 0 {
			progress(read)
		}
	}
	return nil
}

func (v *Verifier) line(at string, text []byte) {
	l, err := parseLine(text)
	if err != nil {
		if v.torn != "" {
			v.problem("%s", v.torn)
		}
		v.torn = fmt.Sprintf("%s: %v", at, err)
		return
	}
	v.report.Lines++
	switch {
	case l.Event == Start && l.Seq == 1:
		v.start(at, l)
	case !v.begun:
		v.tornBy("")
		v.beginning(at, fmt.Sprintf("line %d of chain %s", l.Seq, l.Chain), l.Prev)
	case l.Chain != v.last.Chain:
		v.tornBy("")
		v.problem("%s: another chain without a start", at)
	case l.Seq == v.last.Seq+1 && l.Prev == v.last.Hash:
		v.tornBy("")
	case l.Seq > v.last.Seq+1:
		v.torn = ""
		v.problem("%s: lines %d to %d of the chain are missing or changed", at, v.last.Seq+1, l.Seq-1)
	case l.Seq <= v.last.Seq:
		v.tornBy("")
		v.problem("%s: line %d of the chain stands twice or in the wrong place", at, l.Seq)
	default:
		v.tornBy("")
		v.problem("%s: the line before was changed: the hashes do not fit", at)
	}
	v.begun = true
	v.last = l
}

// start begins a chain: it must name the end of the one before.
func (v *Verifier) start(at string, l *Line) {
	v.report.Chains++
	before := strings.TrimPrefix(l.Detail, beforeText)
	_, _, hash, named := parseEnd(before)
	switch {
	case !v.begun && named:
		v.beginning(at, "a start that names a chain before it", hash)
	case !v.begun && v.From != "":
		v.problem("%s: nothing is before this start: it does not follow the line with the hash %s", at, v.From)
	case !v.begun:
		v.tornBy("a crash tore it")
	case before == beforeStream:
		v.tornBy("a crash tore it")
		v.note("%s: written to standard output: it does not name the chain before", at)
	case before == "none":
		v.tornBy("")
		v.problem("%s: a start that names no chain before it: the log was removed, or lines of it are from elsewhere", at)
	case before != endText(v.last.Chain, v.last.Seq, v.last.Hash):
		v.tornBy("")
		v.problem("%s: the chain before ended otherwise: lines are missing or changed before this one", at)
	default:
		v.tornBy("a crash tore it")
		if v.last.Event != Stop {
			v.note("%s: the chain before did not end with a stop: the process was killed", at)
		}
	}
}

// beginning judges a first line that others were before.
func (v *Verifier) beginning(at, what, hash string) {
	switch v.From {
	case hash:
		v.note("%s: begins after the line with the hash %s, as was said", at, hash)
	case "":
		const text = "%s: the beginning of the log is missing: it begins with %s, after the line with the hash %s"
		v.problem(text, at, what, hash)
	default:
		v.problem("%s: begins with %s, after the line with the hash %s, not %s", at, what, hash, v.From)
	}
}

// tornBy settles what a line that is none means: nothing bad if a crash explains
// it.
func (v *Verifier) tornBy(explanation string) {
	if v.torn == "" {
		return
	}
	if explanation == "" {
		v.problem("%s", v.torn)
	} else {
		v.note("%s: %s", v.torn, explanation)
	}
	v.torn = ""
}

// Report ends the verification.
func (v *Verifier) Report() Report {
	if !v.begun {
		v.problem("no record is here: the log is empty, or it is none")
	}
	v.tornBy("the last line: a crash may have torn it")
	if v.last != nil {
		v.report.Last = Position{v.last.Seq, v.last.Hash}
		v.report.Ended = v.last.Event == Stop
	}
	return v.report
}
