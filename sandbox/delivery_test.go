package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serving starts a server that a webhook can call.
func serving(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// silentOnce lets its first caller wait until he goes, and answers all others.
func silentOnce(called chan<- string) http.HandlerFunc {
	var calls atomic.Int32
	return func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		first := calls.Add(1) == 1
		called <- string(body)
		if first {
			<-r.Context().Done()
		}
	}
}

func (c *client) ping(t *testing.T, hook string) {
	t.Helper()
	c.data(t, "POST", "/v1/webhookPings", resource("webhookPings", "", "", to("webhook", "webhooks", hook)))
}

// only is the one delivery of a webhook, after those on their way have come back.
func (c *client) only(t *testing.T, hook string) (id string, attributes map[string]any) {
	t.Helper()
	list := c.deliveries(t, hook, "")
	if len(list) != 1 {
		t.Fatalf("%d deliveries: %v", len(list), list)
	}
	attributes, _ = at(list[0], "attributes").(map[string]any)
	return fmt.Sprint(at(list[0], "id")), attributes
}

func TestAnAnswerToAnotherWorldIsDropped(t *testing.T) {
	for _, x := range []struct {
		name string
		next func(t *testing.T, c *client, url string) (hook string)
	}{
		{"reset", func(t *testing.T, c *client, url string) string {
			c.Reset()
			hook := c.hook(t, url)
			c.ping(t, hook)
			return hook
		}},
		{"restore", func(t *testing.T, c *client, _ string) string {
			saved, err := c.Snapshot()
			if err == nil {
				err = c.Restore(saved)
			}
			if err != nil {
				t.Fatal(err)
			}
			ids := c.IDs("webhooks")
			return ids[len(ids)-1]
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			called := make(chan string, 10)
			url := serving(t, silentOnce(called))
			c.ping(t, c.hook(t, url))
			<-called
			deliveries := c.IDs("webhookDeliveries")
			id := deliveries[len(deliveries)-1]
			past := c.store.get("webhookDeliveries", id)

			hook := x.next(t, c, url)
			c.send("GET", "/v1/apps", "") // what was on its way when a snapshot was made is sent again
			again, delivery := c.only(t, hook)
			if again != id {
				t.Fatalf("the test proves nothing: %s, then %s", id, again)
			}
			if delivery["deliveryState"] != "SUCCEEDED" {
				t.Errorf("the new delivery: %v", delivery)
			}
			c.answered(letter{ctx: context.Background(), delivery: past}, 200, "late", nil)
			c.answered(letter{ctx: context.Background(), delivery: past}, 0, "", errors.New("late"))
			if _, delivery = c.only(t, hook); delivery["deliveryState"] != "SUCCEEDED" ||
				at(delivery, "response", "body") != "" {
				t.Errorf("a late answer has changed it: %v", delivery)
			}
		})
	}
}

// TestADeliveryOutlastsTheSandbox closes a world while one delivery is on its way
// and others wait, and opens it again.
func TestADeliveryOutlastsTheSandbox(t *testing.T) {
	cfg := World{NoAuth: true, State: t.TempDir()}
	a := newClient(t, cfg)
	called := make(chan string, 10)
	hook := a.hook(t, serving(t, silentOnce(called)))
	a.ping(t, hook)
	first := <-called
	a.Close()
	a.ping(t, hook) // nothing goes out any more
	for _, d := range a.deliveries(t, hook, "") {
		if at(d, "attributes", "deliveryState") != "PENDING" || at(d, "attributes", "errorMessage") != nil {
			t.Errorf("after the end: %v", d)
		}
	}
	if err := a.Save(); err != nil {
		t.Fatal(err)
	}
	if len(called) > 0 {
		t.Error("something was sent after the end")
	}

	b := newClient(t, cfg)
	t.Cleanup(b.Close)
	b.tick()
	list := b.deliveries(t, hook, "&filter[deliveryState]=SUCCEEDED")
	if len(list) != 2 {
		t.Fatalf("%d deliveries: %v", len(list), b.deliveries(t, hook, ""))
	}
	if one, two := <-called, <-called; one != first && two != first || one == two {
		t.Errorf("sent again: %s and %s, want %s among them", one, two, first)
	}
}

// TestDeliveriesWaitInLine makes more deliveries than go out at once.
func TestDeliveriesWaitInLine(t *testing.T) {
	const pings = 5 * hooksAtOnce
	c := newClient(t, World{NoAuth: true})
	called, answer := make(chan struct{}, pings), make(chan struct{})
	hook := c.hook(t, serving(t, func(http.ResponseWriter, *http.Request) {
		called <- struct{}{}
		<-answer
	}))
	for range pings {
		c.ping(t, hook)
	}
	for range hooksAtOnce {
		<-called
	}
	select {
	case <-called:
		t.Errorf("more than %d at once", hooksAtOnce)
	case <-time.After(100 * time.Millisecond): // one more would be there by now
	}
	close(answer)
	if list := c.deliveries(t, hook, "&limit=200&filter[deliveryState]=SUCCEEDED"); len(list) != pings {
		t.Errorf("%d of %d deliveries have arrived", len(list), pings)
	}
}

func TestWhatReceiversAnswer(t *testing.T) {
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	text := func(status int, body string) string {
		return serving(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	for _, x := range []struct{ name, url, state, status, body, says string }{
		{"nobody is there", nobody.URL, "FAILED", "<nil>", "<nil>", "could not be reached"},
		{"a redirect is not followed", text(307, "there"), "FAILED", "307", "there", "307: Temporary Redirect"},
		{"a status without a name", text(599, "odd"), "FAILED", "599", "odd", "599: a status"},
		{"no UTF-8", text(200, "a\xff\xfeb"), "SUCCEEDED", "200", "a\uFFFDb", ""},
		{"too much", text(200, strings.Repeat("x", 1<<20)), "SUCCEEDED", "200", strings.Repeat("x", hookAnswer), ""},
		{"a cut answer", serving(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "cut")
		}), "FAILED", "200", "cut", "did not answer in time"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			hook := c.hook(t, x.url)
			c.ping(t, hook)
			_, d := c.only(t, hook)
			says, _ := d["errorMessage"].(string)
			if d["deliveryState"] != x.state || fmt.Sprint(at(d, "response", "httpStatusCode")) != x.status ||
				fmt.Sprint(at(d, "response", "body")) != x.body || !strings.Contains(says, x.says) ||
				(says == "") != (x.says == "") {
				t.Errorf("%.300v", d)
			}
		})
	}
}

// brokenTransport stands for settings of the process that deliveries must not feel.
type brokenTransport struct{}

func (brokenTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("broken")
}

func TestDeliveriesHaveATransportOfTheirOwn(t *testing.T) {
	was := http.DefaultTransport
	http.DefaultTransport = brokenTransport{}
	defer func() { http.DefaultTransport = was }()
	closed := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	s.Start()
	defer s.Close()
	c := newClient(t, World{NoAuth: true})
	hook := c.hook(t, s.URL)
	c.ping(t, hook)
	if _, d := c.only(t, hook); d["deliveryState"] != "SUCCEEDED" {
		t.Errorf("%v", d)
	}
	if own, ok := c.hooks.client.Transport.(*http.Transport); !ok || own.Proxy != nil {
		t.Error("a proxy may come between")
	}
	c.Close()
	select {
	case <-closed:
	case <-time.After(hookTimeout / 2): // idle connections end by themselves, later
		t.Error("the connection is still open")
	}
}

func TestAWebhookNeedsAnAddress(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	hook := c.hook(t, "https://example.com/hook")
	for url, allowed := range map[string]bool{
		"https://example.com/hook?a=b": true, "http://127.0.0.1:80": true, "http://[::1]:8080/x": true,
		"HTTPS://example.com": true, "https://": false, "https:///hook": false, "ftp://example.com": false,
		"/hook": false, "": false, "https://exa mple.com": false, "https://example.com:port": false,
		"http://:80/": false, "https://example.com:65536": false, "https://example.com/\x00": false,
		"https:example.com": false,
	} {
		attributes := `"name":"ci","secret":"s","enabled":true,"eventTypes":[],` + member("url", url)
		made, _, doc := c.send("POST", "/v1/webhooks", resource("webhooks", "", attributes, to("app", "apps", trailMix)))
		if (made == 201) != allowed || !allowed && (made != 409 || code(doc) != "ENTITY_ERROR.ATTRIBUTE.INVALID") {
			t.Errorf("create with %q: %d %v", url, made, doc)
		}
		changed, _, doc := c.send("PATCH", "/v1/webhooks/"+hook, resource("webhooks", hook, member("url", url), ""))
		if (changed == 200) != allowed || !allowed && changed != 409 {
			t.Errorf("change to %q: %d %v", url, changed, doc)
		}
	}
}

// TestTheEndOfAWebhook ends one while deliveries wait for it.
func TestTheEndOfAWebhook(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	hook := c.hook(t, "http://127.0.0.1:1/")
	c.Close()
	c.ping(t, hook)
	if len(c.hooks.line) != 1 {
		t.Fatalf("%d wait", len(c.hooks.line))
	}
	if status, _, doc := c.send("DELETE", "/v1/webhooks/"+hook, ""); status != 204 {
		t.Fatal(status, doc)
	}
	c.hooks.closed = false
	if l, ok := c.nextLetter(); ok {
		t.Errorf("%v", l)
	}
}
