package overload

import (
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

func TestCallsAreBounded(t *testing.T) {
	l := New(Config{MaxCalls: 3})
	for range 3 {
		if err := l.Enter(); err != nil {
			t.Fatal(err)
		}
	}
	err := l.Enter()
	if f := fault.As(err); f.Kind != fault.ResourceExhausted || f.Reason != Reason || f.RetryAfter <= 0 {
		t.Errorf("got %v", err)
	}
	l.Leave()
	if err := l.Enter(); err != nil {
		t.Error(err)
	}
	if calls, shed := l.Counts(); calls != 3 || shed != 1 {
		t.Errorf("%d inside, %d shed", calls, shed)
	}
	l.Configure(Config{MaxCalls: 4})
	if err := l.Enter(); err != nil {
		t.Error(err)
	}
	if err := (*Limiter)(nil).Enter(); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	l := New(Config{MaxCalls: 10})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range 1000 {
				if l.Enter() == nil {
					if calls, _ := l.Counts(); calls > 110 { // others knock
						t.Error(calls)
					}
					l.Leave()
				}
			}
		})
	}
	wg.Wait()
	if calls, _ := l.Counts(); calls != 0 {
		t.Errorf("%d inside", calls)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := New(Config{MaxMemory: 1})
	if fault.As(l.Enter()).Reason != Reason {
		t.Error("let in without memory")
	}
	l.Configure(Config{MaxMemory: 1 << 50})
	time.Sleep(sampleEvery + 10*time.Millisecond)
	if err := l.Enter(); err != nil {
		t.Error(err)
	}
}
