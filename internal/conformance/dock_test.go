//go:build fleet

package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// dockCallers upload at once.
const dockCallers = 5

// dock is gateways before a sink before a sandbox, each a process of its own. The
// sink takes the parts of builds as a network would: 30 ms before each answer, and
// 50 MB/s a connection.
type dock struct {
	*line
	sink   string // its URL
	tokens []string
}

func newDock(t *testing.T, size int, settings string) *dock {
	t.Helper()
	d := &dock{line: emptyLine(t)}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d.write("policy.yaml", `version: 1
rules: [{name: ci, principals: ["token:ci*"], methods: [read, write, destructive], teams: [main], apps: all}]
`)
	var callers []string
	for i := range dockCallers {
		token, sum := authn.NewToken()
		d.tokens = append(d.tokens, token)
		callers = append(callers, fmt.Sprintf("{name: ci%d, sha256: %s}", i, sum))
	}
	d.token = d.tokens[0]
	box, sink := free(t), free(t)
	d.sink = "http://" + sink
	d.build("sink", "./sink")
	d.build("gateway", "../../cmd/gateway")
	for _, p := range []*exec.Cmd{
		d.process("sandbox", box, "gateway", "sandbox", "--listen", box, "--hour-limit", "1000000"),
		d.process("sink", sink, "sink", "--listen", sink, "--upstream", "http://"+box),
	} {
		t.Cleanup(func() { killed(p) })
	}
	d.serve(size, d.sink, sandbox.Key{ID: "DOCKKEY000", Private: private}, strings.Join(callers, ", "), settings)
	return d
}

// arrived is a file at the sink.
type arrived struct {
	Size  int64
	Parts []struct {
		Offset, Length, Bytes int64
		SHA256                string
		Times                 int
		Differed              bool
	}
}

// sinks are all files at the sink, by id.
func (d *dock) sinks() map[string]arrived {
	d.t.Helper()
	res, err := d.http.Get(d.sink + "/_sink/files")
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var all map[string]arrived
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		d.t.Fatal(err)
	}
	return all
}

// identical wants a file at the sink to be this one, part by part, and returns how
// many bytes were sent for it.
func (d *dock) identical(id string, f *ipa) (sent int64) {
	d.t.Helper()
	got, ok := d.sinks()[id]
	if !ok || got.Size != f.size() {
		d.t.Fatalf("the sink has %d bytes of %s, want %d", got.Size, id, f.size())
	}
	end := int64(0)
	for i, p := range got.Parts {
		if p.Offset != end || p.Differed || p.SHA256 != f.digest(d.t, p.Offset, p.Length) {
			d.t.Fatalf("part %d is not that of the file: %+v", i, p)
		}
		end, sent = p.Offset+p.Length, sent+p.Bytes
	}
	if end != f.size() {
		d.t.Fatalf("the parts end at byte %d of %d", end, f.size())
	}
	return sent
}

// failing lets a part of the next file answer 503.
func (d *dock) failing(part, times int) {
	d.t.Helper()
	res, err := d.http.Post(fmt.Sprintf("%s/_sink/fail?part=%d&times=%d", d.sink, part, times), "", nil)
	if err != nil || res.StatusCode != http.StatusOK {
		d.t.Fatal(res, err)
	}
	_ = res.Body.Close()
}

// cable is the client's connection, which a test can cut.
type cable struct {
	mu    sync.Mutex
	conns []*net.TCPConn
}

func (c *cable) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn.(*net.TCPConn))
	return conn, nil
}

// cut resets all connections: nobody says goodbye.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
}

// voyage is one upload over gRPC, with all its attempts.
type voyage struct {
	d     *dock
	f     *ipa
	token string // that came last
	at    int64  // bytes that Apple has, as it was told last
	wait  uploadsv1.WaitForEnum_WaitFor
}

// attempt sends the file by a gateway from where the voyage is, until at least so
// many bytes have arrived: then disturb is called, once. It returns the result, or
// why there is none.
func (v *voyage) attempt(gateway int, until int64, disturb func(*cable)) (*uploadsv1.UploadResult, error) {
	v.d.t.Helper()
	c := &cable{}
	conn, err := grpc.NewClient(
		"passthrough:///"+v.d.grpc[gateway],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(c.dial),
	)
	if err != nil {
		v.d.t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(
		metadata.AppendToOutgoingContext(v.d.t.Context(), "authorization", "Bearer "+v.d.token),
	)
	defer cancel()
	stream, err := uploadsv1.NewUploadServiceClient(conn).Upload(ctx)
	if err != nil {
		return nil, err
	}
	var sending sync.WaitGroup
	sending.Go(func() { v.send(stream, v.start(), v.at) })
	defer sending.Wait()
	defer cancel()
	for {
		m, err := stream.Recv()
		switch {
		case err != nil:
			return nil, err
		case m.GetResult() != nil:
			return m.GetResult(), nil
		}
		if p := m.GetProgress(); p.GetResumeToken() != "" {
			v.token, v.at = p.GetResumeToken(), p.GetCommittedSize()
		}
		if disturb != nil && v.at >= until {
			disturb(c)
			disturb = nil
		}
	}
}

func (v *voyage) start() *uploadsv1.UploadStart {
	if v.token != "" {
		return &uploadsv1.UploadStart{ResumeToken: v.token, WaitFor: v.wait}
	}
	return &uploadsv1.UploadStart{WaitFor: v.wait, Target: &uploadsv1.Target{What: &uploadsv1.Target_Build{
		Build: &uploadsv1.BuildTarget{FileName: "Trail.ipa", FileSize: v.f.size()}}}}
}

// send sends the file until it ends, or the call does: then Recv tells why.
func (v *voyage) send(stream grpc.BidiStreamingClient[uploadsv1.UploadRequest, uploadsv1.UploadResponse],
	start *uploadsv1.UploadStart, from int64,
) {
	if stream.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: start}}) != nil {
		return
	}
	r := v.f.from(from)
	for at := from; at < v.f.size(); {
		b := make([]byte, 256<<10)
		n, err := io.ReadFull(r, b)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			v.d.t.Error(err)
			return
		}
		data := &uploadsv1.Data{WriteOffset: at, Data: b[:n]}
		if stream.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Data{Data: data}}) != nil {
			return
		}
		at += int64(n)
	}
	_ = stream.CloseSend()
}

// meter measures a process from now on.
type meter struct {
	t    *testing.T
	pid  int
	idle int64 // bytes of its memory at the beginning
	cpu  time.Duration
	wall time.Time
}

// measure waits a moment, so that a process that has just begun is idle.
func (l *line) measure(i int) *meter {
	l.t.Helper()
	time.Sleep(time.Second)
	m := &meter{t: l.t, pid: l.procs[i].Process.Pid, wall: time.Now()}
	m.idle, m.cpu = m.memory("VmRSS"), m.used()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.pid), []byte("5"), 0); err != nil { // VmHWM begins anew
		l.t.Fatal(err)
	}
	return m
}

// memory is a line of the process's status, in bytes.
func (m *meter) memory(name string) int64 {
	m.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		m.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		m.t.Fatal(err)
	}
	return n << 10
}

// used is the processor time of the process: in its stat, user and system time are
// the 12th and 13th words after its name, in hundredths of a second.
func (m *meter) used() time.Duration {
	m.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.pid))
	if err != nil {
		m.t.Fatal(err)
	}
	words := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.Atoi(words[11])
	system, serr := strconv.Atoi(words[12])
	if err = errors.Join(err, serr); err != nil {
		m.t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// spent is what the process has taken: the most memory over what it had when it was
// idle, processor time, and time.
type spent struct {
	idle, over int64
	cpu, wall  time.Duration
}

func (m *meter) spent() spent {
	m.t.Helper()
	return spent{m.idle, m.memory("VmHWM") - m.idle, m.used() - m.cpu, time.Since(m.wall)}
}

// String is a line of a report.
func (s spent) String() string {
	return fmt.Sprintf("idle %.1f MiB, at most %.1f MiB over it, %.2f s of the processor, %.1f s",
		float64(s.idle)/(1<<20), float64(s.over)/(1<<20), s.cpu.Seconds(), s.wall.Seconds())
}
