package uploads

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"testing"
	"testing/iotest"
	"time"
)

// TestArena: a part is what was read, memory is never given out twice, and who wants
// more than is left waits.
func TestArena(t *testing.T) {
	a := newArena(8*page + 5)
	if a.size != 8*page {
		t.Fatalf("%d bytes, want whole pages", a.size)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var list []*pages
	for i, n := range []int64{1, page, page + 1, 3*page - 1} { // 1 + 1 + 2 + 3 pages
		p, err := a.take(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte{byte(i + 1)}, int(n))
		h := sha256.New()
		if read, err := p.fill(iotest.HalfReader(bytes.NewReader(data)), h); read != n || err != nil {
			t.Fatal(read, err)
		}
		if sum := sha256.Sum256(data); !bytes.Equal(h.Sum(nil), sum[:]) {
			t.Errorf("%d: another digest", i)
		}
		list = append(list, p)
	}
	for i, p := range list { // after all of them were written
		for range 2 {
			b, err := io.ReadAll(p.reader())
			if err != nil || int64(len(b)) != p.n || len(bytes.Trim(b, string([]byte{byte(i + 1)}))) > 0 {
				t.Errorf("part %d has %d bytes: %v", i, len(b), err)
			}
		}
	}
	got := make(chan error)
	go func() {
		p, err := a.take(ctx, 2*page)
		if err == nil {
			p.free()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Errorf("8 pages were given out, and 1: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	list[0].free()
	if err := <-got; err != nil {
		t.Error(err)
	}
	for _, p := range list[1:] {
		p.free()
	}
	p, err := a.take(ctx, a.size)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.fill(bytes.NewReader(make([]byte, page+3)), io.Discard); n != page+3 || err == nil {
		t.Errorf("a part that ends early: %d, %v", n, err)
	}
	cancel()
	if _, err := a.take(ctx, 1); err == nil {
		t.Error("all is taken, and the caller has left")
	}
	p.free()
}
