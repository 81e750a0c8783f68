package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fifotest"
	"github.com/asc-gateway/asc-gateway/internal/files"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const apiKey = "k3y-of-the-collector-0123456789"

// lines is a log that may be written to by anyone.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tell sends some of every signal to a collector, and what the log says of it.
func tell(t *testing.T, endpoint, protocol string) string {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key="+apiKey)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
	tell, err := Start(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	out := &lines{}
	log := slog.New(tell.Handler(slog.NewJSONHandler(out, nil)))
	ctx, span := tell.Tracer.Tracer("test").Start(t.Context(), "call")
	log.InfoContext(ctx, "hello")
	span.End()
	end, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := tell.Close(end); err != nil {
		fmt.Fprintf(out, "close: %v %+v", err, err)
	}
	return out.String()
}

// TestNoRedirectCarriesTheHeaders holds it for traces, metrics and logs.
func TestNoRedirectCarriesTheHeaders(t *testing.T) {
	var reached atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer thief.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		var paths sync.Map
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Api-Key") != apiKey {
				t.Errorf("the collector gets %v", r.Header)
			}
			paths.Store(r.URL.Path, true)
			http.Redirect(w, r, thief.URL+r.URL.Path, code)
		}))
		said := tell(t, s.URL, "http/protobuf")
		s.Close()
		for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
			if _, ok := paths.Load(path); !ok {
				t.Errorf("%d: nothing came to %s: %s", code, path, said)
			}
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// TestCollectorsAreBounded lets a collector send back what it was sent, and
// without end.
func TestCollectorsAreBounded(t *testing.T) {
	filler := strings.Repeat("x", 32<<10)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request, sent *atomic.Int64){
		"the key in a 400": func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			http.Error(w, "bad "+r.Header.Get("X-Api-Key"), 400)
		},
		"the key in a status line": func(w http.ResponseWriter, r *http.Request, _ *atomic.Int64) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				fmt.Fprintf(c, "HTTP/1.1 400 %s\r\n\r\n", r.Header.Get("X-Api-Key"))
				_ = c.Close()
			}
		},
		"a body without end": func(w http.ResponseWriter, _ *http.Request, sent *atomic.Int64) {
			for {
				n, err := io.WriteString(w, filler)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		},
		"an error without end": func(w http.ResponseWriter, _ *http.Request, sent *atomic.Int64) {
			w.WriteHeader(400)
			for {
				n, err := io.WriteString(w, filler)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		},
		"nothing": func(_ http.ResponseWriter, r *http.Request, _ *atomic.Int64) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				answer(w, r, &sent)
			}))
			defer s.Close()
			begun := time.Now()
			said := tell(t, s.URL, "http/protobuf")
			t.Logf("after %v, %d KiB sent: %.300s", time.Since(begun).Round(time.Millisecond), sent.Load()>>10, said)
			if strings.Contains(said, apiKey[4:12]) {
				t.Errorf("the key is told: %s", said)
			}
			if len(said) > 5000 || sent.Load() > 32<<20 || time.Since(begun) > 6*time.Second {
				t.Errorf("not bounded: %s", said)
			}
		})
	}
}

// TestGRPCCollectorsAreBounded is the same for gRPC.
func TestGRPCCollectorsAreBounded(t *testing.T) {
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, echo{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer s.Stop()
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	t.Setenv("OTEL_LOGS_EXPORTER", "none")
	said := tell(t, "http://"+l.Addr().String(), "grpc")
	if strings.Contains(said, apiKey[4:12]) || len(said) > 2000 || !strings.Contains(said, "struck out") {
		t.Errorf("got %s", said)
	}
}

// echo sends back the key.
type echo struct {
	collector.UnimplementedTraceServiceServer
}

// Export implements the RPC.
func (echo) Export(
	ctx context.Context, _ *collector.ExportTraceServiceRequest,
) (*collector.ExportTraceServiceResponse, error) {
	return nil, status.Errorf(codes.InvalidArgument, "bad key %v", metadata.ValueFromIncomingContext(ctx, "x-api-key"))
}

// TestNoVariableNamesAProxy is run in processes of their own: net/http reads the
// environment once.
func TestNoVariableNamesAProxy(t *testing.T) {
	if protocol := os.Getenv("TELEMETRY_CHILD"); protocol != "" {
		fmt.Println("told:", tell(t, "http://collector.invalid:4317", protocol))
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = c.Close()
		}
	}()
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		cmd := exec.Command(os.Args[0], "-test.run=TestNoVariableNamesAProxy$", "-test.v")
		cmd.Env = append(os.Environ(), "TELEMETRY_CHILD="+protocol, "NO_PROXY=", "no_proxy=")
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
			cmd.Env = append(cmd.Env, name+"=http://"+l.Addr().String())
		}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "told:") {
			t.Errorf("%s: %v %s", protocol, err, out)
		}
		if asked.Load() != 0 {
			t.Errorf("%s: the proxy was asked", protocol)
		}
	}
	_ = l.Close()
	<-done
}

func TestAFIFOIsNoCertificate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	fifotest.Make(t, name)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1")
	for _, variable := range []string{"CERTIFICATE", "TRACES_CERTIFICATE", "METRICS_CLIENT_CERTIFICATE", "LOGS_CLIENT_KEY"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_"+variable, name)
			if _, err := Start(t.Context(), "test"); !errors.Is(err, files.ErrNotRegular) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")
	if _, err := Start(t.Context(), "test"); err == nil {
		t.Error("a protocol that is none is taken")
	}
}
