package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Bounds of a delivery.
const (
	hookTimeout    = 10 * time.Second
	hookAnswer     = 16 << 10 // of an answer's body that is kept, in bytes
	hooksAtOnce    = 8
	hooksInWaiting = 10_000
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
			tests: map[string]func(*object, string) bool{
				"createdDateGreaterThanOrEqualTo": func(o *object, want string) bool { return !createdBefore(o, want) },
				"createdDateLessThan":             createdBefore,
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

// hookAllowed wants an address that can be called.
func hookAllowed(_ *call, o, _ *object) []apiError {
	for _, scheme := range []string{"https://", "http://"} { // Apple takes https only; a test's receiver has it seldom
		if len(o.text("url")) > len(scheme) && o.text("url")[:len(scheme)] == scheme {
			return nil
		}
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

// redeliver sends the event of an earlier delivery once more.
func redeliver(c *call, o *object) {
	template := c.s.store.one(o, "template")
	if template == nil {
		return
	}
	for _, hook := range c.s.store.all("webhooks") {
		if slices.Contains(c.s.store.ids(hook, "deliveries"), template.id) {
			c.s.store.link(o, "event", c.s.store.ids(template, "event")...)
			c.pend(hook, o, true)
		}
	}
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
	event := c.s.store.one(d, "event")
	for _, hook := range c.s.store.all("webhooks") {
		if event != nil && slices.Contains(c.s.store.ids(hook, "deliveries"), d.id) {
			if len(c.s.hooks.line) >= hooksInWaiting {
				return errors.New("too many deliveries wait")
			}
			c.s.hooks.line = append(
				c.s.hooks.line,
				letter{d.id, hook.text("url"), []byte(event.text("payload")), hook.text("secret")},
			)
		}
	}
	return nil
}

// letter is a delivery on its way.
type letter struct {
	id, url string
	body    []byte
	secret  string
}

// hooks sends deliveries.
type hooks struct {
	line []letter // guarded by the sandbox's lock

	start  sync.Once
	ctx    context.Context // of all deliveries: it ends with the sandbox
	stop   context.CancelFunc
	room   chan struct{}
	flying sync.WaitGroup
}

func (h *hooks) open() {
	h.start.Do(func() {
		h.ctx, h.stop = context.WithCancel(context.Background())
		h.room = make(chan struct{}, hooksAtOnce)
	})
}

func (h *hooks) close() {
	h.open()
	h.stop()
	h.flying.Wait()
}

// post sends what waits in line. The sandbox is not locked.
func (s *Sandbox) post() {
	s.mu.Lock()
	line := s.hooks.line
	s.hooks.line = nil
	s.mu.Unlock()
	if len(line) == 0 {
		return
	}
	s.hooks.open()
	for _, l := range line {
		s.hooks.flying.Go(func() {
			select {
			case s.hooks.room <- struct{}{}:
			case <-s.hooks.ctx.Done():
				return
			}
			defer func() { <-s.hooks.room }()
			status, answer, err := l.post(s.hooks.ctx)
			s.answered(l.id, status, answer, err)
		})
	}
}

// post calls a webhook, without following redirects.
func (l letter) post(ctx context.Context) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(l.body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Apple-Signature", appleSignature(l.secret, l.body))
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, hookAnswer))
	return res.StatusCode, string(body), err
}

// appleSignature is Apple's signature of a body: an HMAC with SHA-256. Apple: configuring
// webhook notifications.
func appleSignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body) // never fails
	return "hmacsha256=" + hex.EncodeToString(mac.Sum(nil))
}

// answered records what became of a delivery.
func (s *Sandbox) answered(id string, status int, answer string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.store.get("webhookDeliveries", id)
	s.change()
	if d == nil { // of a world that was reset
		return
	}
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
		d.attrs["errorMessage"] = "The server answered " + http.StatusText(status) + "."
	}
}
