package sandbox

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// reads are all answers to lists that need no parameter, by path.
func (c *client) reads(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, op := range c.facts.Ops {
		if op.Method == "GET" && !strings.Contains(op.Path, "{") {
			w := c.raw("GET", op.Path, "")
			all[op.Path] = w.Body.String()
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d lists", len(all))
	}
	return all
}

const newGroup = `{"data":{"type":"betaGroups","attributes":{"name":"Saved"},` +
	`"relationships":{"app":{"data":{"type":"apps","id":"1500004000"}}}}}`

func TestRestoreBringsBackTheWorld(t *testing.T) {
	a := newClient(t, World{NoAuth: true, Processing: time.Hour, HourLimit: 1 << 20})
	if status, _, doc := a.send("POST", "/v1/betaGroups", newGroup); status != 201 {
		t.Fatal(status, doc)
	}
	a.AddFault(Fault{Path: "/v1/devices", Status: 500, Count: 3})
	a.SetClock(48*time.Hour, 0)
	a.reads(t) // certificates are issued when they are first read
	saved, err := a.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(saved, []byte(markOther)) {
		t.Error("the snapshot holds a value of a type that it cannot keep")
	}
	want, _ := json.Marshal(a.reads(t))
	if wrong := a.Check(); len(wrong) > 0 {
		t.Fatal(wrong)
	}

	b := newClient(t, World{NoAuth: true, Processing: time.Hour, HourLimit: 1 << 20, Random: 7})
	if err := b.Restore(saved); err != nil {
		t.Fatal(err)
	}
	if wrong := b.Check(); len(wrong) > 0 {
		t.Errorf("%d relationships and values of the restored world are wrong: %s", len(wrong), wrong[0])
	}
	again, err := b.Snapshot()
	if err != nil || !bytes.Equal(again, saved) {
		t.Errorf("the snapshot of the restored world differs: %v", err)
	}
	got, _ := json.Marshal(b.reads(t))
	if !bytes.Equal(got, want) {
		t.Error("the restored world answers otherwise")
	}
	if !b.Now().Equal(a.Now()) {
		t.Errorf("the clock shows %v, want %v", b.Now(), a.Now())
	}
	_, _, one := a.send("POST", "/v1/betaGroups", strings.Replace(newGroup, "Saved", "Next", 1))
	_, _, two := b.send("POST", "/v1/betaGroups", strings.Replace(newGroup, "Saved", "Next", 1))
	if !reflect.DeepEqual(one, two) {
		t.Errorf("the random numbers to come differ:\n%v\n%v", one, two)
	}
}

func TestRestoreRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":         `{`,
		"another version": `{"version":2}`,
		"an unknown key":  `{"version":1,"x":1}`,
		"no scale":        `{"version":1}`,
		"no random state": `{"version":1,"scale":1}`,
		"no such builds":  withObjects(t, `{"type":"apps","id":"1","relationships":{"builds":["x"]}}`),
		"one side": withObjects(t, `{"type":"apps","id":"1","relationships":{"builds":["x"]}}`,
			`{"type":"builds","id":"x"}`),
		"two apps of a build": withObjects(t, `{"type":"apps","id":"1","relationships":{"builds":["x"]}}`,
			`{"type":"apps","id":"2","relationships":{"builds":["x"]}}`,
			`{"type":"builds","id":"x","relationships":{"app":["1","2"]}}`),
		"twice the same": withObjects(t, `{"type":"apps","id":"1","relationships":{"builds":["x","x"]}}`,
			`{"type":"builds","id":"x","relationships":{"app":["1"]}}`),
		"an upload without parts": withObjects(t, `{"type":"appScreenshots","id":"1","upload":{"parts":[]}}`),
		"a part too long": withObjects(t, `{"type":"appScreenshots","id":"1",`+
			`"upload":{"parts":[{"offset":0,"length":1,"data":"YWJj"}]}}`),
		"a gap in a file": withObjects(t, `{"type":"appScreenshots","id":"1",`+
			`"upload":{"parts":[{"offset":0,"length":3,"data":"YWJj"},{"offset":4,"length":1}]}}`),
		"no such value": withObjects(t, `{"type":"devices","id":"1","attributes":{"platform":"PDP11"}}`),
		"other name": withObjects(t, `{"type":"apps","id":"1","relationships":{"inAppPurchasesV2":["x"]}}`,
			`{"type":"inAppPurchases","id":"x","relationships":{"app":["1"]}}`),
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			apps := len(c.IDs("apps"))
			if err := c.Restore([]byte(text)); err == nil {
				t.Error("was taken")
			}
			if len(c.IDs("apps")) != apps {
				t.Error("the world has changed")
			}
		})
	}
}

// withObjects is a snapshot of nothing but some objects.
func withObjects(t testing.TB, objects ...string) string {
	t.Helper()
	state, err := newStore(nil, 0).source.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	random, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	return `{"version":1,"scale":1,"random":` + string(random) + `,"objects":[` + strings.Join(objects, ",") + `]}`
}

// TestRestoreTakes snapshots that differ little from those that it refuses.
func TestRestoreTakes(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	if err := c.Restore([]byte(withObjects(t, `{"type":"apps","id":"1","relationships":{"builds":["x"]}}`,
		`{"type":"builds","id":"x","relationships":{"app":["1"]}}`, `{"type":"appScreenshots","id":"1",`+
			`"upload":{"parts":[{"offset":0,"length":3,"data":"YWJj"},{"offset":3,"length":1}]}}`))); err != nil {
		t.Error(err)
	}
	for _, a := range []Act{{Type: "agreements", Do: "lapse"}, {Type: "agreements", Do: "sign"}} {
		if err := c.Act(a); err != nil {
			t.Fatal(err)
		}
		saved, err := c.Snapshot()
		if err == nil {
			err = c.Restore(saved)
		}
		if err != nil {
			t.Errorf("after %s: %v", a.Do, err)
		}
		if status, _, _ := c.send("GET", "/v1/apps", ""); (status == 403) != (a.Do == "lapse") {
			t.Errorf("after %s: %d", a.Do, status)
		}
	}
}

func TestPackKeepsTypes(t *testing.T) {
	want := map[string]any{"nil": nil, "int": 3, "int64": int64(4), "number": json.Number("1.50"), "float": 0.5,
		"list": []any{1, map[string]any{"go:int": "text"}}, "texts": []string{"a"}, "empty": map[string]any{}}
	text, err := json.Marshal(packMembers(want))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var read map[string]any
	if err := d.Decode(&read); err != nil {
		t.Fatal(err)
	}
	if got, err := unpackMembers(read); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v (%v), want %#v", got, err, want)
	}
}

func TestStateIsKept(t *testing.T) {
	dir := t.TempDir()
	a := newClient(t, World{NoAuth: true, State: dir})
	_, _, doc := a.send("POST", "/v1/betaGroups", newGroup)
	id := doc["data"].(map[string]any)["id"].(string)
	a.saveDue()
	file := filepath.Join(dir, stateFile)
	if _, err := os.Stat(file); err == nil {
		t.Error("was saved before the delay")
	}
	a.now = a.now.Add(saveDelay)
	a.saveDue()
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	b := newClient(t, World{NoAuth: true, State: dir})
	if status, _, _ := b.send("GET", "/v1/betaGroups/"+id, ""); status != 200 {
		t.Errorf("the group is gone: %d", status)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left in the directory: %v", left)
	}
	if err := os.WriteFile(file, []byte(`{"version":1,`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(World{State: dir}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestUploadsAndKeysSurvive(t *testing.T) {
	a := newClient(t, World{PartBytes: 4})
	private, err := a.NewKey("SAVED")
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	o := a.store.all("appScreenshots")[0]
	o.upload = &upload{secret: "s", parts: []part{{0, 4, []byte("abcd")}, {4, 2, nil}}}
	a.store.bytes = 4
	a.keys["SAVED"].hour = window{a.now}
	a.mu.Unlock()
	saved, err := a.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	b := newClient(t, World{})
	if err := b.Restore(saved); err != nil {
		t.Fatal(err)
	}
	got := b.store.get(o.typ, o.id)
	if !reflect.DeepEqual(got.upload, o.upload) || b.store.bytes != 4 {
		t.Errorf("upload: %+v, %d bytes", got.upload, b.store.bytes)
	}
	if k := b.keys["SAVED"]; k == nil || !k.public.Equal(&private.PublicKey) || len(k.hour) != 1 {
		t.Errorf("key: %+v", b.keys["SAVED"])
	}
}
