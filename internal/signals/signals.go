// Package signals catches SIGHUP, SIGTERM and SIGINT from before main begins.
//
// Until a Go program asks for a signal, that signal ends it. The packages of the
// gateway take some 20 ms to initialise, and main comes after them: a SIGHUP in
// that time killed the gateway instead of reloading it. So the signals are asked
// for by a variable of this package, the only one here and the exception to "no
// package-level state".
//
// It must import nothing but the standard library, and little of that. Go
// initialises packages in the order of their paths, each as soon as its imports
// are: with these imports this one is among the first, long before the messages
// of gen/. A test in cmd/gateway watches over that. Only programs import it: who
// links it in catches signals.
package signals

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// caught are the signals since the program began, one of each kind at most.
var caught = catch()

type channels struct{ hangup, end chan os.Signal }

func catch() channels {
	c := channels{hangup: make(chan os.Signal, 1), end: make(chan os.Signal, 1)}
	signal.Notify(c.hangup, syscall.SIGHUP)
	signal.Notify(c.end, os.Interrupt, syscall.SIGTERM)
	return c
}

// Hangups receives SIGHUP: one that comes while another waits is dropped.
func Hangups() chan os.Signal { return caught.hangup }

// Context ends at the first SIGTERM or SIGINT, or at once if one has come
// already. Those that follow do nothing. stop frees what it holds.
func Context(parent context.Context) (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = context.WithCancel(parent)
	go func() {
		select {
		case <-caught.end:
			stop()
		case <-ctx.Done():
		}
	}()
	return ctx, stop
}
