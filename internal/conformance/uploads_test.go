//go:build fleet

package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
)

const (
	gibibyte = 1 << 30
	// overIdle is the most memory that uploads may take beside that of an idle gateway.
	overIdle = 64 << 20
	onSQLite = `store: {url: "sqlite:store.db"}`
)

// judge wants a build to be COMPLETE, and its file to have arrived as it is. It
// returns how many bytes were sent for it.
func (d *dock) judge(res *uploadsv1.UploadResult, f *ipa) (sent int64) {
	d.t.Helper()
	if res.GetSha256() != f.sum || res.GetSize() != f.size() {
		d.t.Errorf("the gateway says %s, %d bytes; want %s, %d", res.GetSha256(), res.GetSize(), f.sum, f.size())
	}
	if s := res.GetBuild().GetBuildUpload().GetState().GetState().String(); s != "COMPLETE" {
		d.t.Errorf("the upload is %s", s)
	}
	return d.identical(res.GetResource().GetBuildUploadFile().GetId(), f)
}

// within wants the gateway to have kept to its memory.
func (s spent) within(t *testing.T) {
	t.Helper()
	if s.over > overIdle {
		t.Errorf("the gateway takes %d bytes over what it takes when idle, want at most %d", s.over, overIdle)
	}
}

// TestUploadSurvives: a build of 1 GiB arrives as it is, although a part fails
// twice, the caller's connection is cut twice, and the gateway is killed.
func TestUploadSurvives(t *testing.T) {
	d := newDock(t, 1, onSQLite)
	f := newIPA(t, "31.0", 1, gibibyte)
	d.failing(75, 2)
	v := &voyage{d: d, f: f}
	m := d.measure(0)
	begun := time.Now()
	for _, until := range []int64{gibibyte / 4, gibibyte / 2} {
		_, err := v.attempt(0, until, (*cable).cut)
		t.Logf("the connection is cut, %d MiB have arrived: %v", v.at>>20, err)
	}
	first := spent{}
	_, err := v.attempt(0, gibibyte/4*3, func(*cable) { first = m.spent(); d.kill(0) })
	t.Logf("the gateway is killed, %d MiB have arrived: %v", v.at>>20, err)
	d.start(0)
	m = d.measure(0)
	res, err := v.attempt(0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	wall, second := time.Since(begun), m.spent()
	sent := d.judge(res, f)
	t.Logf("SHA-256 %s; %d MiB were sent twice; %.1f s in all", res.GetSha256(), (sent-f.size())>>20, wall.Seconds())
	t.Logf("before the kill: %v; after it: %v", first, second)
	if p := d.sinks()[res.GetResource().GetBuildUploadFile().GetId()].Parts[75]; p.Bytes < 3*p.Length {
		t.Errorf("part 75 came %d times, want 3: two failed", p.Bytes/p.Length)
	}
	first.within(t)
	second.within(t)
}

// TestUploadPace: a build of 1 GiB beside curl, which sends the same bytes over one
// connection to the same sink.
func TestUploadPace(t *testing.T) {
	d := newDock(t, 1, onSQLite)
	f := newIPA(t, "32.0", 1, gibibyte)
	curl := exec.Command("curl", "-sS", "--fail", "-T", "-", d.sink+"/_sink/whole")
	curl.Stdin = f.from(0)
	begun := time.Now()
	out, err := curl.Output()
	one := time.Since(begun)
	if want := fmt.Sprintf("%s %d\n", f.sum, f.size()); err != nil || string(out) != want {
		t.Fatalf("curl: %v %s, want %s", err, out, want)
	}
	v := &voyage{d: d, f: f}
	m := d.measure(0)
	var sent time.Duration
	res, err := v.attempt(0, f.size(), func(*cable) { sent = time.Since(m.wall) })
	if err != nil {
		t.Fatal(err)
	}
	s := m.spent()
	d.judge(res, f)
	t.Logf("curl, one connection: %.1f s", one.Seconds())
	t.Logf("the gateway: all bytes are there after %.1f s, %.2f times as fast; COMPLETE after %.1f s, %.2f times",
		sent.Seconds(), one.Seconds()/sent.Seconds(), s.wall.Seconds(), one.Seconds()/s.wall.Seconds())
	t.Logf("%v", s)
	s.within(t)
}

// TestUploadsShare: 50 builds of 16 MiB of five callers at once, over REST.
func TestUploadsShare(t *testing.T) {
	const uploads = 50
	d := newDock(t, 1, onSQLite)
	var list []*ipa
	for i := range uploads {
		list = append(list, newIPA(t, "33.0", i+1, 16<<20))
	}
	m := d.measure(0)
	took := make([]time.Duration, uploads)
	ids := make([]string, uploads)
	var all sync.WaitGroup
	for i, f := range list {
		all.Go(func() {
			begun := time.Now()
			ids[i] = d.post(f, d.tokens[i%dockCallers])
			took[i] = time.Since(begun)
		})
	}
	all.Wait()
	s := m.spent()
	callers := make([]float64, dockCallers)
	rates := make([]float64, uploads)
	for i, f := range list {
		if ids[i] != "" {
			d.identical(ids[i], f)
		}
		rates[i] = 1 / took[i].Seconds()
		callers[i%dockCallers] += rates[i]
	}
	t.Logf("the first after %v, the last after %v; Jain's index of the uploads %.3f, of the callers %.3f",
		slices.Min(took), slices.Max(took), jain(rates), jain(callers))
	// One after the other, the last would take twice the median. That one is early,
	// because the others were not there yet, takes nothing from them.
	slices.Sort(took)
	if last, median := took[uploads-1], took[uploads/2]; last > median*7/4 {
		t.Errorf("some wait for others: the last takes %v, half of them %v", last, median)
	}
	t.Logf("%v", s)
	s.within(t)
}

// jain is Jain's index of fairness: 1 where all have the same, 1/n where one has
// all.
func jain(shares []float64) float64 {
	var sum, squares float64
	for _, s := range shares {
		sum += s
		squares += s * s
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// post uploads a build over REST, and returns the id of its file.
func (d *dock) post(f *ipa, token string) (id string) {
	r, err := http.NewRequest(
		"POST",
		"http://"+d.rest[0]+"/ascgateway/v1/uploads?type=builds&fileName=Trail.ipa",
		f.from(0),
	)
	if err != nil {
		d.t.Error(err)
		return ""
	}
	r.ContentLength = f.size()
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/octet-stream")
	res, err := (&http.Client{}).Do(r)
	if err != nil {
		d.t.Error(err)
		return ""
	}
	defer res.Body.Close()
	var got struct {
		SHA256   string
		Resource struct{ BuildUploadFile struct{ ID string } }
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || json.Unmarshal(b, &got) != nil || res.StatusCode != http.StatusCreated || got.SHA256 != f.sum {
		d.t.Errorf("%d %s %v", res.StatusCode, b, err)
	}
	return got.Resource.BuildUploadFile.ID
}

// TestUploadReplicaGone: an upload goes on at another replica after its own was
// killed.
func TestUploadReplicaGone(t *testing.T) {
	d := newDock(t, 2, "")
	f := newIPA(t, "34.0", 1, 128<<20)
	v := &voyage{d: d, f: f}
	_, err := v.attempt(0, 40<<20, func(*cable) { d.kill(0) })
	t.Logf("the first replica is killed, %d MiB have arrived: %v", v.at>>20, err)
	if v.at == 0 || v.at >= f.size() {
		t.Fatalf("the replica was to be killed on the way, not at byte %d", v.at)
	}
	res, err := v.attempt(1, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	sent := d.judge(res, f)
	t.Logf("%d MiB were sent twice", (sent-f.size())>>20)
}
