//go:build !unix

package redistest

// Stop would freeze the server: where there is no SIGSTOP, the test is skipped.
func (s *Server) Stop() { s.t.Skip("this system has no SIGSTOP") }

// Continue ends [Server.Stop].
func (s *Server) Continue() {}
