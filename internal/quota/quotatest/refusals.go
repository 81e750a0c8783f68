package quotatest

import (
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
)

func refused(t quota.Ticket, l quota.Limits, after time.Duration) quota.Settlement {
	return quota.Settlement{Ticket: t, Writes: 1, Status: 429, Limits: l, RetryAfter: after}
}

func refusalOfTheKey(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 3600)
	b.settle(refused(b.must(ask()), quota.Limits{}, 30*time.Second))
	other := ask()
	other.Endpoint = quota.Endpoint{Verb: "POST", Resource: "apps"}
	for _, a := range []*quota.Ask{ask(), other} {
		if got := b.admit(a); got.Admitted || got.Wait < 29*time.Second || got.Wait > 31*time.Second {
			t.Errorf("got %+v", got)
		}
	}
	other.Keys = keys("OTHER")
	b.must(other)
}

func carefulAfterARefusal(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 3600)
	b.settle(refused(b.must(ask()), quota.Limits{}, time.Second))
	time.Sleep(1050 * time.Millisecond)
	x := b.must(ask())
	if a := b.admit(ask()); a.Admitted || !a.First {
		t.Errorf("got %+v", a)
	}
	b.settle(answered(x, quota.Limits{}))
	b.must(ask())
	b.must(ask())
}

func refusalOfEndpoints(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 3600)
	b.settle(refused(b.must(ask()), hour(3600, 3000), 30*time.Second))
	if got := b.admit(ask()); got.Admitted || got.Wait < 29*time.Second || got.Wait > 31*time.Second {
		t.Errorf("got %+v", got)
	}
	other := ask()
	other.Endpoint = quota.Endpoint{Verb: "GET", Resource: "apps"}
	b.must(other)
}

func refusalDoubles(t *testing.T, make New) {
	b := open(t, make, quota.Rules{Hour: 6 * time.Minute}) // a tenth: the first block is a second
	b.use(1, 3600)
	list := []quota.Ticket{b.must(ask()), b.must(ask()), b.must(ask())}
	var last time.Duration
	for i, x := range list {
		b.settle(refused(x, quota.Limits{}, -1))
		got := b.admit(ask())
		if got.Admitted || got.Wait <= last || got.Wait > time.Duration(1000<<i)*time.Millisecond {
			t.Errorf("refusal %d: %+v", i+1, got)
		}
		last = got.Wait
	}
}

func minutes(t *testing.T, make New) {
	b := open(t, make, quota.Rules{Hour: time.Minute}) // a minute is a second
	b.use(1, 36000)
	told := hour(36000, 35000)
	n := 0
	begun := time.Now()
	for time.Since(begun) < 2500*time.Millisecond {
		a := b.admit(ask())
		if !a.Admitted {
			time.Sleep(min(max(a.Wait, time.Millisecond), 20*time.Millisecond))
			continue
		}
		n++
		told.Minute = quota.Pair{Limit: 10, Remaining: max(10-n, 0), Known: true}
		if n > 10 {
			told.Minute.Remaining = 5
		}
		b.settle(answered(a.Ticket, told))
	}
	if n < 20 || n > 31 {
		t.Errorf("%d in 2.5 minutes of 10", n)
	}
	other := ask()
	other.Endpoint.Resource = "apps"
	b.must(other)
}

func seeds(t *testing.T, make New) {
	b := open(t, make, quota.Rules{Minutes: map[quota.Endpoint]int{builds: 3}})
	for range 3 {
		x := b.must(ask())
		b.settle(answered(x, hour(3600, 3600-x.Used)))
	}
	if a := b.admit(ask()); a.Admitted || a.Wait < 55*time.Second {
		t.Errorf("got %+v", a)
	}
}
