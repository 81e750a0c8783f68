package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// frugal fails if a function allocates very much more than its input is long.
func frugal(t *testing.T, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(256<<20+10_000*input); got > most {
		t.Errorf("%d bytes for an input of %d", got, input)
	}
}

// FuzzSeed seeds a world with any text: it is refused with its reason, or the world
// fits together and can be kept.
func FuzzSeed(f *testing.F) {
	c := newClient(f, World{NoAuth: true, Empty: true})
	for _, text := range []string{
		seedText,
		"resources:\n- type: apps\n  name: shop\n  attributes: {bundleId: com.example.shop, name: Shop}\n" +
			"- type: betaGroups\n  attributes: {name: Friends}\n  relationships: {app: shop}\n",
		`resources: [{type: apps, id: "1"}, {type: apps, id: "2"}, {type: builds, relationships: {app: "1"}}]`,
		`{resources: [&a {type: territories, id: USA, attributes: {currency: USD}}, *a]}`,
		"resources: [{type: devices, attributes: {platform: IOS, addedDate: 2026-01-01T00:00:00Z}}]",
		`resources: [{type: webhooks, relationships: {app: x}, attributes: {eventTypes: [A], enabled: yes}}]`,
		`resources: [{type: appScreenshots, attributes: {fileSize: 1e9, uploadOperations: [{offset: -1}]}}]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		frugal(t, len(text), func() {
			seed, err := readSeed(text)
			if err == nil {
				c.seed = seed
				err = c.reset()
			}
			if err != nil {
				if !strings.HasPrefix(err.Error(), "sandbox: seed: ") {
					t.Errorf("an unclear error: %v", err)
				}
				return
			}
			c.mustFit(t)
			saved, err := c.Snapshot()
			if err == nil {
				err = c.Restore(saved)
			}
			if err != nil {
				t.Errorf("the world cannot be kept: %v", err)
			}
		})
	})
}

// FuzzSnapshot restores any snapshot: it is refused with its reason and the world
// stays, or the new world fits together, and lives on.
func FuzzSnapshot(f *testing.F) {
	c := newClient(f, World{NoAuth: true, Empty: true, HourLimit: 1 << 30, Seed: []byte(seedText)})
	c.Close() // nothing goes out
	whole, small := someSnapshots(f)
	f.Add(whole)
	f.Add(small)
	for _, objects := range []string{
		`{"type":"apps","id":"1","relationships":{"builds":["x"]}},` +
			`{"type":"builds","id":"x","relationships":{"app":["1"]}}`,
		`{"type":"devices","id":"1","attributes":{"platform":"IOS","model":{"go:strings":["a"]},"n":{"go:int":"3"}}}`,
		`{"type":"appScreenshots","id":"1","attributes":{"fileSize":4,"uploadOperations":[{"partNumber":1}]},` +
			`"upload":{"secret":"s","parts":[{"offset":0,"length":4,"data":"YWJjZA=="}]}}`,
		`{"type":"webhooks","id":"1","relationships":{"deliveries":["2"]},"attributes":{"url":"http://[::1]/"}},` +
			`{"type":"webhookDeliveries","id":"2","attributes":{"deliveryState":"PENDING"}}`,
	} {
		text := []byte(withObjects(f, objects))
		if err := c.Restore(text); err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	later := `"later":[{"at":"2026-05-01T12:00:00Z","type":"builds","id":"x","do":"process",` +
		`"with":{"errors":["E"]}}],"objects"`
	f.Add([]byte(strings.Replace(withObjects(f, `{"type":"builds","id":"x"}`), `"objects"`, later, 1)))
	f.Fuzz(c.mustRestore)
}

// FuzzDamage restores snapshots in which values were taken out, doubled or replaced.
func FuzzDamage(f *testing.F) {
	c := newClient(f, World{NoAuth: true, HourLimit: 1 << 30})
	c.Close() // nothing goes out
	whole, err := c.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	_, small := someSnapshots(f)
	for _, seed := range []string{
		"\x00", "\x01", "\x00aaaa", "\x01bcdefghi", "\x00\x02zyxwvutsrqponml", "\x01aabbccddeeff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		x := &damager{choices: choices}
		data := small
		if x.choose(256)%8 == 1 { // which takes much longer
			data = whole
		}
		var tree any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&tree); err != nil {
			t.Fatal(err)
		}
		for len(x.choices) > 0 {
			tree = x.damage(tree)
		}
		damaged, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		c.mustRestore(t, damaged)
	})
}

// damager spoils a document as its choices say.
type damager struct{ choices []byte }

// choose is a number below n.
func (x *damager) choose(n int) (choice int) {
	for m := n - 1; m > 0 && len(x.choices) > 0; m >>= 8 {
		choice = choice<<8 | int(x.choices[0])
		x.choices = x.choices[1:]
	}
	return choice % n
}

// damage spoils a value at one place.
func (x *damager) damage(v any) any {
	odd := []any{
		nil, true, -1, json.Number("1e300"), 4, "", "x", "2026-05-01T12:00:00Z", []any{}, []any{"x"}, map[string]any{},
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			break
		}
		name := sortedKeys(v)[x.choose(len(v))]
		if x.choose(8) == 0 {
			delete(v, name)
		} else {
			v[name] = x.damage(v[name])
		}
		return v
	case []any:
		if len(v) == 0 {
			break
		}
		switch i := x.choose(len(v)); x.choose(8) {
		case 0:
			return append(v[:i:i], v[i+1:]...)
		case 1:
			return append(v, v[i])
		default:
			v[i] = x.damage(v[i])
		}
		return v
	}
	return odd[x.choose(len(odd))]
}

// mustRestore restores a snapshot, or wants it to be refused.
func (c *client) mustRestore(t *testing.T, data []byte) {
	t.Helper()
	was := c.store
	frugal(t, len(data), func() {
		if err := c.Restore(data); err != nil {
			if !strings.HasPrefix(err.Error(), "sandbox: snapshot: ") || c.store != was {
				t.Errorf("the world has changed, or the error is unclear: %v", err)
			}
			return
		}
		c.mustFit(t)
		if _, err := c.Snapshot(); err != nil {
			t.Errorf("it cannot be kept: %v", err)
		}
		c.live(t)
	})
}

func (c *client) mustFit(t *testing.T) {
	t.Helper()
	if wrong := c.Check(); len(wrong) > 0 {
		t.Errorf("%d things do not fit together: %s", len(wrong), wrong[0])
	}
}

// live lets happen what is due in ten years, and reads all lists.
func (c *client) live(t *testing.T) {
	t.Helper()
	c.ClearFaults()
	c.SetClock(10*365*24*time.Hour, 0)
	c.tick()
	for _, op := range c.facts.Ops {
		if op.Method != "GET" || strings.Contains(op.Path, "{") {
			continue
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest("GET", op.Path, nil))
		if w.Code >= 500 {
			t.Errorf("%s: %d %s", op.Path, w.Code, w.Body)
		}
	}
}

// someSnapshots are a snapshot of all that a world can hold, and a short one.
func someSnapshots(f *testing.F) (whole, small []byte) {
	f.Helper()
	c := newClient(f, World{NoAuth: true, Empty: true, Seed: []byte(seedText), PartBytes: 4})
	c.AddFault(Fault{Path: "/v1/devices", Status: 500, Count: 3})
	if _, err := c.NewKey("FUZZ"); err != nil {
		f.Fatal(err)
	}
	c.send("POST", "/v1/userInvitations", resource("userInvitations", "",
		`"email":"n@example.com","firstName":"N","lastName":"N","roles":["ADMIN"],"allAppsVisible":true`, ""))
	c.send("POST", "/v1/buildUploads", resource("buildUploads", "",
		`"cfBundleShortVersionString":"1","cfBundleVersion":"1","platform":"IOS"`, to("app", "apps", "1600000000")))
	c.send("POST", "/v1/buildUploadFiles", resource("buildUploadFiles", "",
		`"assetType":"ASSET","fileName":"a.ipa","fileSize":6,"uti":"com.apple.ipa"`,
		to("buildUpload", "buildUploads", c.IDs("buildUploads")[0])))
	whole, err := c.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	var saved snapshot
	if err := json.Unmarshal(whole, &saved); err != nil {
		f.Fatal(err)
	}
	saved.Objects = slices.DeleteFunc(saved.Objects, func(o savedObject) bool {
		return o.Type == "territories" || o.Type == "appCategories"
	})
	saved.Keys, saved.Authority = nil, nil
	if small, err = json.Marshal(saved); err != nil {
		f.Fatal(err)
	}
	for name, text := range map[string][]byte{"whole": whole, "small": small} {
		if err := c.Restore(text); err != nil {
			f.Fatalf("%s: %v", name, err)
		}
	}
	return whole, small
}
