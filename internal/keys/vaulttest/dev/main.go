// Command dev plays the part of a Vault with a transit engine, in memory, for
// trying the gateway without one. Its root token is "root-token".
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/keys/vaulttest"
)

func main() {
	listen := "127.0.0.1:8200"
	if len(os.Args) > 1 {
		listen = os.Args[1]
	}
	s := &http.Server{Addr: listen, Handler: vaulttest.New(time.Now, time.Hour), ReadHeaderTimeout: 10 * time.Second}
	fmt.Printf("a stand-in for Vault on http://%s, token root-token, nothing is kept\n", listen)
	if err := s.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}
