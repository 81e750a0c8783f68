//go:build unix

package redistest

import "syscall"

// Stop freezes the server: connections stay, nothing answers.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Continue ends [Server.Stop].
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }
