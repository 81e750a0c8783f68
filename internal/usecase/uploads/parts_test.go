package uploads

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
)

// nowhere takes every part.
type nowhere struct{}

func (nowhere) Put(_ context.Context, p transfer.Part) error {
	_, err := io.Copy(io.Discard, p.Body)
	return err
}

// TestASlowCallerDoesNotStarveOthers: who brings no bytes while others wait for
// memory is cut off, and may stay where nobody waits.
func TestASlowCallerDoesNotStarveOthers(t *testing.T) {
	s := &Service{cfg: Config{Memory: page, Parallel: 4}, memory: newArena(page), deps: Deps{Transfer: nowhere{}},
		pause: sleep, patience: 100 * time.Millisecond}
	begin := func(file io.Reader) chan error {
		done := make(chan error, 1)
		one := &sender{Service: s, file: file, digest: newDigest(false), moved: func(int64, digestState) error { return nil },
			ops: []operation{{Part: transfer.Part{Length: 10}}}}
		go func() { done <- one.send(t.Context(), 0) }()
		return done
	}
	slow, in := io.Pipe()
	first := begin(slow)
	select {
	case err := <-first:
		t.Fatalf("nobody waits: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	second := begin(bytes.NewReader(make([]byte, 10)))
	err := <-first
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != fault.ReasonPeerTooSlow {
		t.Fatal(err)
	}
	_ = in.CloseWithError(io.ErrClosedPipe) // the stream has ended
	if err := <-second; err != nil {
		t.Error(err)
	}
}
