package reports

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
)

// Bounds of the logs of a signature: some hundred KiB each, 200 at most.
const (
	logMost  = 2 << 20
	logsMost = 256 << 20
)

// readLogs gives each log of a signature's file, one after the other:
// productData[].diagnosticLogs[].
func readLogs(r io.Reader, give func(*diagnosticLog) error) error {
	l := &logReader{from: r, left: logsMost, give: give}
	l.json = json.NewDecoder(l)
	err := l.object(map[string]func() error{"productData": func() error {
		return l.array(func() error {
			return l.object(map[string]func() error{"diagnosticLogs": func() error { return l.array(l.log) }})
		})
	}})
	if l.sink != nil { // the receiver's
		return l.sink
	}
	var known *fault.Error
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Unavailable, table.ReasonTruncated, "Apple's diagnostic logs end too early").
			WithCause(err)
	case errors.As(err, &syntax), errors.As(err, &kind), errors.Is(err, errForm):
		return fault.New(fault.Unavailable, table.ReasonMalformed, "Apple's diagnostic logs cannot be read: %v", err)
	}
	return err // the connection's
}

var errForm = errors.New("another form than Apple documents")

// logReader walks through a file of logs. It holds one log.
type logReader struct {
	from  io.Reader
	left  int64 // bytes of the file
	since int64 // bytes since the log before
	json  *json.Decoder
	give  func(*diagnosticLog) error
	sink  error
}

// Read implements [io.Reader].
func (l *logReader) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	l.left -= int64(n)
	if l.since += int64(n); l.since > logMost || l.left < 0 {
		return 0, fault.New(fault.Unavailable, table.ReasonMalformed,
			"Apple's diagnostic logs are too long: a log may have %d bytes, all together %d", logMost, logsMost)
	}
	return n, err
}

// delim reads a bracket, or null instead.
func (l *logReader) delim(want json.Delim) (is bool, err error) {
	token, err := l.json.Token()
	switch {
	case err != nil:
		return false, err
	case token == want:
		return true, nil
	case token == nil:
		return false, nil
	}
	return false, errForm
}

// object reads one, the members of known names by their functions.
func (l *logReader) object(members map[string]func() error) error {
	if is, err := l.delim('{'); !is {
		return err
	}
	for l.json.More() {
		name, err := l.json.Token()
		if err != nil {
			return err
		}
		key, _ := name.(string) // the decoder takes nothing else for a name
		read := members[key]
		if read == nil {
			read = func() error { return l.json.Decode(new(json.RawMessage)) }
		}
		if err := read(); err != nil {
			return err
		}
	}
	_, err := l.json.Token()
	return err
}

// array reads one, each element by a function.
func (l *logReader) array(each func() error) error {
	if is, err := l.delim('['); !is {
		return err
	}
	for l.json.More() {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := l.json.Token()
	return err
}

func (l *logReader) log() error {
	l.since = 0
	var log diagnosticLog
	if err := l.json.Decode(&log); err != nil {
		return err
	}
	l.sink = l.give(&log)
	return l.sink
}
