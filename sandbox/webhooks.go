package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of a delivery.
const (
	hookTimeout = 10 * time.Second
	hookAnswer  = 16 << 10 // of an answer's head, and of what is kept of its body, in bytes
	hooksAtOnce = 8
)

// webhooks: where events go, and what became of each delivery.
func webhooks() map[string]behavior {
	return map[string]behavior{
		"webhooks": {
			count:   3,
			seed:    each(cycle("enabled", false), cycle("secret", "seeded secret")),
			allowed: hookAllowed,
			owns:    []string{"deliveries"},
		},
		"webhookDeliveries": {
			seed: each(
				cycle("deliveryState", "SUCCEEDED", "FAILED"),
				cycle("redelivery", false),
				cycle("request", map[string]any{"url": "https://example.com/hook"}),
				cycle("response", map[string]any{"httpStatusCode": 200, "body": ""}),
			),
			created: redeliver,
			tests: map[string]test{
				"createdDateGreaterThanOrEqualTo": func(_ *store, o *object, want string) bool {
					return !createdBefore(o, want)
				},
				"createdDateLessThan": func(_ *store, o *object, want string) bool { return createdBefore(o, want) },
			},
			acts: map[string]act{"send": {own: true, do: send}},
		},
		"webhookEvents": {
			seed: each(
				cycle("ping", false),
				cycle("payload", `{"data":{"type":"webhookPingCreated","id":"1","version":1}}`),
			),
		},
		"webhookPings": {created: func(c *call, o *object) {
			if hook := c.s.store.one(o, "webhook"); hook != nil {
				c.deliverEvent(hook, c.recordEvent(hookEvent{kind: "", body: c.pingBody()}))
			}
		}},
	}
}

func createdBefore(o *object, want string) bool {
	have, ok := parseTime(o.text("createdDate"))
	at, valid := parseTime(want)
	return ok && valid && have.Before(at)
}

// hookAllowed wants an address that can be called. Apple takes https only; a test's
// receiver has it seldom.
func hookAllowed(_ *call, o, old *object) []apiError {
	if old != nil && old.text("url") == o.text("url") || callable(o.text("url")) {
		return nil
	}
	return []apiError{
		{
			Status:  409,
			Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
			Title:   "The provided entity includes an attribute with an invalid value",
			Detail:  "The URL must be absolute.",
			Pointer: "/data/attributes/url",
		},
	}
}

// callable says whether an address is an absolute one of HTTP.
func callable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return false
	}
	_, err = strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16)
	return err == nil
}

// redeliver sends the event of an earlier delivery once more.
func redeliver(c *call, o *object) {
	template := c.s.store.one(o, "template")
	if template == nil {
		return
	}
	if hook := c.s.store.hookOf(template); hook != nil {
		c.s.store.link(o, "event", c.s.store.ids(template, "event")...)
		c.pend(hook, o, true)
	}
}

// hookOf is the webhook of a delivery.
func (s *store) hookOf(delivery *object) *object {
	for _, hook := range s.pointing(delivery, "webhooks", "deliveries") {
		return hook
	}
	return nil
}

// deliverEvent makes a delivery of an event to a webhook.
func (c *call) deliverEvent(hook, event *object) {
	d := &object{
		typ:   "webhookDeliveries",
		id:    c.s.store.newID(""),
		at:    c.now,
		attrs: map[string]any{},
		rels:  map[string][]string{},
	}
	c.s.store.add(d)
	c.s.store.link(d, "event", event.id)
	c.pend(hook, d, false)
}

func (c *call) pend(hook, d *object, again bool) {
	d.attrs["createdDate"], d.attrs["deliveryState"], d.attrs["redelivery"] = c.stamp(), "PENDING", again
	d.attrs["request"] = map[string]any{"url": hook.text("url")}
	c.s.store.link(hook, "deliveries", d.id)
	c.at(c.now, d, "send", nil)
}

// send puts a delivery in line; it goes out when the sandbox is not locked.
func send(c *call, d *object, _ map[string]any) error {
	c.s.hooks.line = append(c.s.hooks.line, d)
	return nil
}

// hooks sends deliveries: hooksAtOnce at a time, the others wait in line. They live
// as long as the world that made them: a reset takes back what is on its way, and a
// late answer is to a delivery that is no longer there.
type hooks struct {
	client *http.Client
	flying sync.WaitGroup // of senders

	// guarded by the sandbox's lock
	line    []*object
	senders int
	closed  bool
	ctx     context.Context // of the world's deliveries
	stop    context.CancelFunc
}

// open prepares the deliveries of a world. It takes back those of the one before.
func (h *hooks) open() {
	if h.client == nil {
		h.client = hookClient()
	} else {
		h.stop()
	}
	h.line = nil
	h.ctx, h.stop = context.WithCancel(context.Background())
}

// hookClient calls webhooks: directly, and only where they are. No setting of the
// process touches it.
func hookClient() *http.Client {
	return &http.Client{
		Timeout:       hookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableCompression:     true,
			IdleConnTimeout:        hookTimeout,
			MaxIdleConnsPerHost:    hooksAtOnce,
			MaxResponseHeaderBytes: hookAnswer,
		},
	}
}

// closeHooks ends all deliveries. Those that nobody has answered stay PENDING, for
// nothing is known of them: a world that is opened again sends them again. So a
// receiver may get one twice, and none is lost.
func (s *Sandbox) closeHooks() {
	s.mu.Lock()
	s.hooks.closed = true
	s.hooks.stop()
	s.mu.Unlock()
	s.hooks.flying.Wait()
	s.hooks.client.CloseIdleConnections()
}

// post has what waits in line sent. The sandbox is not locked.
func (s *Sandbox) post() {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.hooks
	for range len(h.line) {
		if h.closed || h.senders == hooksAtOnce {
			return
		}
		h.senders++
		h.flying.Go(s.sendLine)
	}
}

// sendLine sends one delivery after another, until none waits.
func (s *Sandbox) sendLine() {
	for {
		l, ok := s.nextLetter()
		if !ok {
			return
		}
		status, answer, err := l.post(s.hooks.client)
		s.answered(l, status, answer, err)
	}
}

// letter is a delivery on its way.
type letter struct {
	ctx         context.Context
	delivery    *object
	url, secret string
	body        []byte
}

// nextLetter takes the next delivery out of the line. If there is none, its sender
// ends.
func (s *Sandbox) nextLetter() (l letter, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.hooks
	for len(h.line) > 0 && !h.closed {
		d := h.line[0]
		h.line = h.line[1:]
		hook, event := s.store.hookOf(d), s.store.one(d, "event")
		if s.store.get(d.typ, d.id) == d && hook != nil && event != nil { // its webhook may have ended
			return letter{h.ctx, d, hook.text("url"), hook.text("secret"), []byte(event.text("payload"))}, true
		}
	}
	h.senders--
	return letter{}, false
}

// post calls a webhook, without following redirects.
func (l letter) post(client *http.Client) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(l.ctx, http.MethodPost, l.url, bytes.NewReader(l.body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Apple-Signature", appleSignature(l.secret, l.body))
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, hookAnswer))
	return res.StatusCode, strings.ToValidUTF8(string(body), "\uFFFD"), err
}

// appleSignature is Apple's signature of a body: an HMAC with SHA-256. Apple: configuring
// webhook notifications.
func appleSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body) // never fails
	return "hmacsha256=" + hex.EncodeToString(mac.Sum(nil))
}

// answered records what became of a delivery.
func (s *Sandbox) answered(l letter, status int, answer string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := l.delivery
	if s.store.get(d.typ, d.id) != d { // of a world that is no more, even if the id is there again
		return
	}
	if err != nil && l.ctx.Err() != nil { // see closeHooks
		return
	}
	s.change()
	d.attrs["sentDate"], d.attrs["deliveryState"] = stamp(s.clock.now(s.cfg.Now())), "FAILED"
	if status != 0 {
		d.attrs["response"] = map[string]any{"httpStatusCode": status, "body": answer}
	}
	switch {
	case err != nil:
		d.attrs["errorMessage"] = "The server could not be reached or did not answer in time."
	case status/100 == 2:
		d.attrs["deliveryState"] = "SUCCEEDED"
	default:
		text := cmp.Or(http.StatusText(status), "a status that HTTP does not name")
		d.attrs["errorMessage"] = fmt.Sprintf("The server answered %d: %s.", status, text)
	}
}
