package command

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"google.golang.org/grpc"
)

// giveUpStart is how long a start that is to end may take to notice.
const giveUpStart = 2 * time.Second

// errEnded is a start that ended because it was told to.
var errEnded = errors.New("ended while starting")

// newService makes a gateway of a configuration. Everything must be right: only
// reloads may keep what was. When ctx ends, so does the start, with [errEnded],
// whatever it waits for.
func newService(
	ctx context.Context, file string, cfg *config.Config, extra []keys.Backend, out *logging,
) (*service, error) {
	if ctx.Err() != nil {
		return nil, errEnded
	}
	type result struct {
		s   *service
		err error
	}
	opened := make(chan result, 1)
	go func() {
		s, err := open(ctx, file, cfg, extra, out)
		opened <- result{s, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil && ctx.Err() != nil {
			return nil, errors.Join(errEnded, r.err)
		}
		return r.s, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(giveUpStart)
	defer timer.Stop()
	select {
	case r := <-opened:
		if r.s != nil {
			r.s.close()
		}
	case <-timer.C: // it hangs in the system; the program ends all the same
		slog.New(out.handler).Warn("ended while starting: something that was being opened hangs")
	}
	return nil, errEnded
}

// unlessEnded is the error of a gateway that served; none if it was told to end
// before it did.
func unlessEnded(ctx context.Context, err error) error {
	if errors.Is(err, errEnded) ||
		ctx.Err() != nil && (errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, ctx.Err())) {
		return nil
	}
	return err
}
