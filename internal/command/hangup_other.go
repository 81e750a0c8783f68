//go:build !unix

package command

// hangUp does nothing: there is no SIGHUP.
func hangUp() error { return nil }
