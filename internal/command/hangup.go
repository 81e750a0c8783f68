package command

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

type hangupsKey struct{}

// WithHangups gives [Run] the channel on which the program has received SIGHUP
// since it began, so that none is lost while the gateway starts. Without it the
// gateway listens for SIGHUP once it serves.
func WithHangups(ctx context.Context, hangups chan os.Signal) context.Context {
	return context.WithValue(ctx, hangupsKey{}, hangups)
}

// hangups receives SIGHUP until stop is called.
func hangups(ctx context.Context) (c <-chan os.Signal, stop func()) {
	if c, ok := ctx.Value(hangupsKey{}).(chan os.Signal); ok {
		return c, func() {}
	}
	own := make(chan os.Signal, 1)
	signal.Notify(own, syscall.SIGHUP)
	return own, func() { signal.Stop(own) }
}

// endOnHangup makes SIGHUP end the program, as it does where nobody listens:
// commands that do not serve have nothing to reload.
func endOnHangup(ctx context.Context) error {
	c, ok := ctx.Value(hangupsKey{}).(chan os.Signal)
	if !ok {
		return nil
	}
	signal.Stop(c)
	if len(c) == 0 {
		return nil
	}
	return hangUp() // it has come already
}
