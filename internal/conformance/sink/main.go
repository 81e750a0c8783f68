// Command sink stands before a sandbox as App Store Connect does before a slow
// network: it takes the parts of builds at a pace, notes the digest of each, and
// keeps nothing. All else passes to the sandbox.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"time"
)

func main() {
	upstream := flag.String("upstream", "", "URL of the sandbox")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	s := &sink{files: map[string]*file{}}
	flag.Int64Var(&s.part, "part", 8<<20, "bytes of a part")
	flag.DurationVar(&s.delay, "delay", 30*time.Millisecond, "before the answer to a part")
	flag.Float64Var(&s.rate, "rate", 50e6, "bytes a second of one connection")
	flag.Parse()
	u, err := url.Parse(*upstream)
	if err != nil || u.Host == "" {
		log.Fatalf("--upstream: want a URL, not %q", *upstream)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	s.self, s.sandbox = "http://"+l.Addr().String(), u
	fmt.Println(s.self)
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(l))
}
