package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLineBytes bounds a line: a hundred resources and all other members, each
// character escaped.
const maxLineBytes = 1 << 20

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
	report Report
	last   *Line
	torn   string // of a line that a crash may explain
	begun  bool
}

// maxProblems bounds a report.
const maxProblems = 1000

func (v *Verifier) problem(format string, args ...any) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, fmt.Sprintf(format, args...))
	}
}

// File checks one file. name is for the report; progress, if not nil, hears how
// many bytes were read.
func (v *Verifier) File(name string, r io.Reader, progress func(bytes int64)) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var read int64
	for n := 1; ; n++ {
		text, err := readLine(in)
		read += int64(len(text)) + 1
		if len(text) > 0 {
			v.line(fmt.Sprintf("%s:%d", name, n), text)
		}
		if progress != nil && n%10_000 == 0 {
			progress(read)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads a line of bounded length.
func readLine(in *bufio.Reader) (text []byte, err error) {
	for {
		part, more, err := in.ReadLine()
		if len(text)+len(part) <= maxLineBytes {
			text = append(text, part...)
		}
		if err != nil || !more {
			return text, err
		}
	}
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
	case v.last == nil && !v.begun:
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("%s: begins with line %d of chain %s: what was before is not here", at, l.Seq, l.Chain))
		v.tornBy("")
	case v.last == nil || l.Chain != v.last.Chain:
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
	switch {
	case v.last != nil:
		want := fmt.Sprintf("before: %s %d %s", v.last.Chain, v.last.Seq, v.last.Hash)
		if l.Detail != want && l.Detail != "before: none" {
			v.tornBy("")
			v.problem("%s: the chain before ended otherwise: lines are missing or changed before this one", at)
		} else {
			v.tornBy("a crash tore it")
			if v.last.Event != Stop {
				v.report.Notes = append(v.report.Notes, fmt.Sprintf("%s: the chain before did not end with a stop: the process was killed", at))
			}
		}
	case l.Detail != "before: none":
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("%s: another file is before this one", at))
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
		v.report.Notes = append(v.report.Notes, v.torn+": "+explanation)
	}
	v.torn = ""
}

// Report ends the verification.
func (v *Verifier) Report() Report {
	v.tornBy("the last line: a crash may have torn it")
	if v.last != nil {
		v.report.Last = Position{v.last.Seq, v.last.Hash}
		v.report.Ended = v.last.Event == Stop
	}
	return v.report
}
