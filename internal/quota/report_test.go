package quota_test

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var reportFile = flag.String("report", "", "where TestReport writes its picture, such as docs/quota.svg")

// naive clients send at once, and again after a pause that doubles.
type naive struct{}

func (naive) send(_ context.Context, w *world, _ int) int {
	for pause := time.Second; ; pause = min(2*pause, 32*time.Second) {
		status, _, _ := w.travel()
		if status == http.StatusOK || w.ctx.Err() != nil {
			return status
		}
		time.Sleep(pause/2 + time.Duration(w.random()*float64(pause/2)))
	}
}

// bucket is a token bucket at each replica: its share of the hour, evenly, and a
// minute's worth at once.
type bucket struct {
	mu   sync.Mutex
	next map[int]time.Time
}

func (b *bucket) send(ctx context.Context, w *world, replica int) int {
	interval := time.Duration(w.replicas) * time.Second
	b.mu.Lock()
	if b.next == nil {
		b.next = map[int]time.Time{}
	}
	at := b.next[replica]
	if earliest := time.Now().Add(-time.Minute); at.Before(earliest) {
		at = earliest
	}
	b.next[replica] = at.Add(interval)
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		return 0
	case <-time.After(time.Until(at)):
	}
	return naive{}.send(ctx, w, replica)
}

// figures of a run, of the hours in which there was more work than Apple grants.
type figures struct {
	name        string
	refused     int
	least, most int // of an hour, others' use included where it is the most
	jain        float64
	p99         time.Duration
	w           *world
	counts      []int // that Apple has of the last hour, each minute
	fair        []float64
	waits       []float64 // interactive, 99th of a hundred in five minutes, seconds
}

const (
	reportHours   = 5
	reportForeign = 150 * time.Minute // others begin to use 1,200 in ten minutes
	reportRestart = 225 * time.Minute // all replicas lose what they know
)

var dayCallers = []string{"a", "b", "c"}

func measure(t *testing.T, name string, c client) *figures {
	f := &figures{name: name}
	f.w = simulate(t, 11, 2, c, reportHours*time.Hour, func(w *world) {
		for i, caller := range dayCallers {
			w.saturate(caller, "default", 1, 1<<i) // the greedy should get no more
		}
		w.saturate("night", "batch", 1, 1)
		w.bursts("person", "interactive", 0.28, 10)
		w.foreign(reportForeign, 10*time.Minute, 1200)
		w.at(reportRestart, func() {
			if g, ok := c.(*gateways); ok {
				g.restart(w)
			}
		})
		w.wg.Go(func() {
			for w.ctx.Err() == nil {
				w.apple.mu.Lock()
				n := 0
				for _, at := range slices.Backward(w.apple.arrivals) {
					if time.Since(at) >= time.Hour {
						break
					}
					n++
				}
				f.counts = append(f.counts, n)
				w.apple.mu.Unlock()
				select {
				case <-w.ctx.Done():
				case <-time.After(time.Minute):
				}
			}
		})
	})
	f.refused = len(f.w.apple.refused)
	f.least, f.most = f.w.least(time.Hour, reportForeign), slices.Max(f.counts)
	f.jain = f.w.fairness(dayCallers, time.Hour, reportForeign)
	f.p99 = max(f.w.p99("person", 0, reportForeign)-back, 0)
	for at := time.Duration(0); at+10*time.Minute <= reportHours*time.Hour; at += 5 * time.Minute {
		f.fair = append(f.fair, f.w.fairness(dayCallers, at, at+10*time.Minute))
		wait := max(f.w.p99("person", at, at+10*time.Minute)-back, 0).Seconds()
		if !slices.ContainsFunc(f.w.served["person"], func(s served) bool { d := s.at.Sub(f.w.begun); return d >= at && d < at+10*time.Minute }) {
			wait = math.Inf(1) // nobody was served
		}
		f.waits = append(f.waits, wait)
	}
	return f
}

// TestReport draws the same load with the gateway, with clients that retry and
// with a token bucket.
func TestReport(t *testing.T) {
	list := []*figures{measure(t, "gateway", &gateways{}), measure(t, "token bucket", &bucket{}), measure(t, "naive clients", naive{})}
	for _, f := range list {
		t.Logf("%-14s refused %d, used in an hour %d to %d of 3600, Jain %.4f, interactive p99 %v", f.name, f.refused, f.least, f.most, f.jain, f.p99)
	}
	g, b, n := list[0], list[1], list[2]
	if g.refused > 30 || g.least < 3546 || g.jain < 0.98 || g.p99 > 10*time.Second {
		t.Errorf("the gateway does not do what it promises")
	}
	if n.refused < 1000 || b.refused == 0 || !(n.jain < g.jain) || b.p99 < g.p99 {
		t.Errorf("what it is compared with does as well")
	}
	name := *reportFile
	if name == "" {
		name = filepath.Join(t.TempDir(), "quota.svg")
	} else {
		name = filepath.Join("../..", name)
	}
	if err := os.WriteFile(name, []byte(draw(list)), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for d := xml.NewDecoder(file); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
}

// The picture's measures, in pixels.
const (
	width, left, right = 960, 70, 20
	panel, gap         = 130, 48
)

var colours = []string{"#0a7d4f", "#c77700", "#b3261e"}

// draw makes an SVG of panels over time, and a table of the figures.
func draw(list []*figures) string {
	var b strings.Builder
	height := 70 + 4*(panel+gap) + 40 + 24*len(list)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="26" font-size="18" font-weight="600">One key of 3,600 an hour: more work than it grants, two replicas</text>`+"\n", left)
	for i, f := range list {
		fmt.Fprintf(&b, `<rect x="%d" y="40" width="12" height="12" fill="%s"/><text x="%d" y="51">%s</text>`+"\n", left+i*150, colours[i], left+18+i*150, f.name)
	}
	top := 82
	for _, p := range []struct {
		title  string
		max    float64
		series func(*figures) []float64
		ticks  []float64
		log    bool
	}{
		{"requests that Apple counts in the last hour, others' included", 3800, func(f *figures) []float64 { return floats(f.counts) }, []float64{0, 1200, 2400, 3600}, false},
		{"answers 429, each minute", 1e4, func(f *figures) []float64 { return f.refusedPerMinute() }, []float64{1, 100, 1e4}, true},
		{"interactive calls: 99 of 100 wait at most (seconds; at the top: nobody was served)", 1e4, func(f *figures) []float64 { return f.waits }, []float64{1, 100, 1e4}, true},
		{"fairness among three callers, of which one asks four times as much (Jain, 10 minutes; 1 is equal)", 1.05, func(f *figures) []float64 { return f.fair }, []float64{0.3, 0.6, 1}, false},
	} {
		y := func(v float64) float64 {
			share := v / p.max
			if p.log {
				share = math.Log10(max(v, 0.1)*10) / math.Log10(p.max*10)
			}
			return float64(top+panel) - min(share, 1)*panel
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-weight="600">%s</text>`+"\n", left, top-8, p.title)
		for _, v := range p.ticks {
			fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555555">%g</text>`+"\n", left, width-right, y(v), y(v), left-8, y(v)+4, v)
		}
		for h := range reportHours + 1 {
			x := at(float64(h) / reportHours)
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555555">%d h</text>`+"\n", x, top+panel+16, h)
		}
		for _, mark := range []struct {
			at   time.Duration
			text string
		}{{reportForeign, "others use 1,200"}, {reportRestart, "replicas restart"}} {
			x := at(mark.at.Hours() / reportHours)
			fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#888888" stroke-dasharray="3 3"/><text x="%.1f" y="%d" fill="#555555" font-size="11">%s</text>`+"\n", x, x, top, top+panel, x+4, top+panel-6, mark.text)
		}
		for i := len(list) - 1; i >= 0; i-- {
			values := p.series(list[i])
			fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.6" points="`, colours[i])
			for j, v := range values {
				fmt.Fprintf(&b, "%.1f,%.1f ", at(float64(j)/float64(max(len(values)-1, 1))), y(v))
			}
			b.WriteString(`"/>` + "\n")
		}
		top += panel + gap
	}
	columns := []int{left, 220, 330, 520, 680}
	for i, title := range []string{"before 2.5 h", "429 in all", "used in any hour", "Jain, worst", "interactive p99"} {
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-weight="600">%s</text>`+"\n", columns[i], top, title)
	}
	for i, f := range list {
		for j, text := range []string{f.name, fmt.Sprint(f.refused), fmt.Sprintf("%d (%.1f %%) or more", f.least, float64(f.least)/36), fmt.Sprintf("%.4f", f.jain), f.p99.Round(100 * time.Millisecond).String()} {
			fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", columns[j], top+24*(i+1), colours[i], text)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// at is where a share of the time lies.
func at(share float64) float64 { return left + share*(width-left-right) }

func floats(list []int) (out []float64) {
	for _, n := range list {
		out = append(out, float64(n))
	}
	return out
}

func (f *figures) refusedPerMinute() []float64 {
	out := make([]float64, reportHours*60)
	for _, r := range f.w.apple.refused {
		if i := int(r.Sub(f.w.begun) / time.Minute); i < len(out) {
			out[i]++
		}
	}
	return out
}
