package sandbox

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"howett.net/plist"
)

// openssl runs the judge of certificates in a folder.
func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// request makes a signing request with openssl.
func request(t *testing.T, dir string) string {
	t.Helper()
	openssl(
		t,
		dir,
		"req",
		"-new",
		"-newkey",
		"rsa:2048",
		"-nodes",
		"-keyout",
		"key.pem",
		"-out",
		"request.pem",
		"-subj",
		"/CN=Ada/C=US",
	)
	return read(t, dir, "request.pem")
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func save(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// member is a JSON member of a text.
func member(name, text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%q:%s", name, b)
}

func (c *client) certificate(t *testing.T, kind, csr string) map[string]any {
	t.Helper()
	return c.data(
		t,
		"POST",
		"/v1/certificates",
		resource("certificates", "", `"certificateType":"`+kind+`",`+member("csrContent", csr), ""),
	)
}

// many is the member of a relationship to several objects.
func many(rel, typ string, ids ...string) string {
	b, err := json.Marshal(identifiers(typ, ids))
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`%q:{"data":%s}`, rel, b)
}

// TestCertificatesAndProfiles has openssl verify what the sandbox issues.
func TestCertificatesAndProfiles(t *testing.T) {
	c, dir := newClient(t, World{NoAuth: true}), t.TempDir()
	save(t, dir, "ca.pem", c.raw("GET", "/_sandbox/ca", "").Body.Bytes())
	cert := c.certificate(t, "DEVELOPMENT", request(t, dir))
	der, err := base64.StdEncoding.DecodeString(at(cert, "attributes", "certificateContent").(string))
	if err != nil {
		t.Fatal(err)
	}
	save(t, dir, "cert.der", der)
	openssl(t, dir, "x509", "-inform", "DER", "-in", "cert.der", "-out", "cert.pem")
	if out := openssl(t, dir, "verify", "-attime", fmt.Sprint(c.now.Unix()), "-CAfile", "ca.pem", "cert.pem"); !strings.Contains(
		out,
		"OK",
	) {
		t.Error(out)
	}
	subject := openssl(t, dir, "x509", "-in", "cert.pem", "-noout", "-subject", "-serial", "-pubkey")
	if serial := at(cert, "attributes", "serialNumber").(string); !strings.Contains(subject, "OU = "+teamID) ||
		!strings.Contains(subject, strings.TrimLeft(serial, "0")) {
		t.Errorf("subject and serial: %s, not %s", subject, serial)
	}
	if public := openssl(t, dir, "rsa", "-in", "key.pem", "-pubout"); !strings.Contains(
		public,
		strings.Split(subject, "-----")[2],
	) {
		t.Error("the certificate is of another key")
	}
	device := c.IDs("devices")[0]
	profile := c.data(
		t,
		"POST",
		"/v1/profiles",
		resource(
			"profiles",
			"",
			`"name":"Dev","profileType":"IOS_APP_DEVELOPMENT"`,
			to(
				"bundleId",
				"bundleIds",
				c.IDs("bundleIds")[0],
			)+","+many(
				"certificates",
				"certificates",
				cert["id"].(string),
			)+","+many(
				"devices",
				"devices",
				device,
			),
		),
	)
	signed, err := base64.StdEncoding.DecodeString(at(profile, "attributes", "profileContent").(string))
	if err != nil {
		t.Fatal(err)
	}
	save(t, dir, "a.mobileprovision", signed)
	openssl(
		t,
		dir,
		"cms",
		"-verify",
		"-inform",
		"DER",
		"-in",
		"a.mobileprovision",
		"-CAfile",
		"ca.pem",
		"-out",
		"a.plist",
	)
	var doc struct {
		Name, UUID            string
		DeveloperCertificates [][]byte
		ProvisionedDevices    []string
		Entitlements          map[string]any
	}
	if _, err := plist.Unmarshal([]byte(read(t, dir, "a.plist")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Name != "Dev" || doc.UUID != at(profile, "attributes", "uuid") || len(doc.DeveloperCertificates) != 1 ||
		string(doc.DeveloperCertificates[0]) != string(der) ||
		len(doc.ProvisionedDevices) != 1 ||
		doc.Entitlements["application-identifier"] != teamID+".com.example.trailmix" ||
		doc.Entitlements["aps-environment"] != "development" {
		t.Errorf("%+v", doc)
	}
}

func TestWhatWasThereAtTheStartIsRealToo(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, id := range c.IDs("certificates") {
		der, err := base64.StdEncoding.DecodeString(
			at(c.data(t, "GET", "/v1/certificates/"+id, ""), "attributes", "certificateContent").(string),
		)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x509.ParseCertificate(der); err != nil {
			t.Error(err)
		}
	}
	for _, id := range c.IDs("profiles") {
		if p := c.data(t, "GET", "/v1/profiles/"+id, ""); at(p, "attributes", "profileState") != "ACTIVE" ||
			at(p, "attributes", "profileContent") == nil {
			t.Errorf("%v", p["attributes"])
		}
	}
}

// TestASeededTeamObeysTheRules walks what a new sandbox has through the rules of what
// is made anew.
func TestASeededTeamObeysTheRules(t *testing.T) {
	s := newClient(t, World{NoAuth: true}).Sandbox
	c := s.inner(s.clock.now(s.cfg.Now()))
	for _, typ := range []string{"profiles", "devices", "bundleIds", "bundleIdCapabilities"} {
		for _, o := range s.store.all(typ) {
			if errs := s.behaviors[typ].allowed(c, o, nil); len(errs) > 0 {
				t.Errorf("%s %s: %+v", typ, o.text("name"), errs)
			}
		}
	}
	kinds := map[string]int{}
	for _, o := range s.store.all("certificates") {
		kind := o.text("certificateType")
		if kinds[kind]++; mostCertificates[kind] > 0 && kinds[kind] >= mostCertificates[kind] {
			t.Errorf("no room for another certificate of type %s", kind)
		}
	}
	withDevices := 0
	for _, o := range s.store.all("profiles") {
		for _, d := range s.store.related(o, "devices") {
			if withDevices++; d.text("platform") != o.text("platform") {
				t.Errorf("a profile for %s has a device for %s", o.text("platform"), d.text("platform"))
			}
		}
	}
	if withDevices == 0 {
		t.Error("no profile has a device")
	}
}

func TestWhatProvisioningRefuses(t *testing.T) {
	c, dir := newClient(t, World{NoAuth: true}), t.TempDir()
	csr := request(t, dir)
	development := c.certificate(t, "IOS_DEVELOPMENT", csr)["id"].(string)
	distribution := c.IDs("certificates")[0]
	phone, mac, bundle := c.IDs("devices")[0], c.IDs("devices")[2], c.IDs("bundleIds")[0]
	profile := func(kind, certificate string, devices ...string) string {
		rels := to("bundleId", "bundleIds", bundle) + "," + many("certificates", "certificates", certificate)
		if len(devices) > 0 {
			rels += "," + many("devices", "devices", devices...)
		}
		return resource("profiles", "", `"name":"P","profileType":"`+kind+`"`, rels)
	}
	wildcard := c.data(t, "POST", "/v1/bundleIds", resource("bundleIds", "", `"identifier":"com.example.*","name":"W","platform":"IOS"`, ""))["id"].(string)
	for _, x := range []struct{ name, path, body string }{
		{"no signing request", "/v1/certificates", resource("certificates", "", `"certificateType":"DEVELOPMENT","csrContent":"x"`, "")},
		{"a request that was changed", "/v1/certificates", resource("certificates", "", `"certificateType":"DEVELOPMENT",`+member("csrContent", strings.Replace(csr, "A", "B", 3)), "")},
		{"a pass certificate without its pass", "/v1/certificates", resource("certificates", "", `"certificateType":"PASS_TYPE_ID",`+member("csrContent", csr), "")},
		{"no UDID", "/v1/devices", resource("devices", "", `"name":"D","platform":"IOS","udid":"12"`, "")},
		{"a UDID in another case", "/v1/devices", resource("devices", "", `"name":"D","platform":"IOS","udid":"`+strings.ToLower(udids()[0].(string))+`"`, "")},
		{"a bundle id with a blank", "/v1/bundleIds", resource("bundleIds", "", `"identifier":"com.ex ample","name":"X","platform":"IOS"`, "")},
		{"a wildcard in the middle", "/v1/bundleIds", resource("bundleIds", "", `"identifier":"com.*.a","name":"X","platform":"IOS"`, "")},
		{"push for a wildcard", "/v1/bundleIdCapabilities", resource("bundleIdCapabilities", "", `"capabilityType":"PUSH_NOTIFICATIONS"`, to("bundleId", "bundleIds", wildcard))},
		{"a store profile with devices", "/v1/profiles", profile("IOS_APP_STORE", distribution, phone)},
		{"a store profile of a development certificate", "/v1/profiles", profile("IOS_APP_STORE", development)},
		{"a development profile without devices", "/v1/profiles", profile("IOS_APP_DEVELOPMENT", development)},
		{"a Mac profile for a phone", "/v1/profiles", profile("MAC_APP_DEVELOPMENT", development, phone)},
		{"a TV profile for a Mac", "/v1/profiles", profile("TVOS_APP_DEVELOPMENT", development, mac)},
	} {
		if status, _, doc := c.send("POST", x.path, x.body); status != 409 {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	if status, _, _ := c.send("DELETE", "/v1/bundleIds/"+bundle, ""); status != 409 {
		t.Errorf("a bundle id in use was deleted: %d", status)
	}
	for _, x := range []struct {
		setting string
		status  int
	}{
		{`{"key":"ENABLED_FOR_MAC_APP_SETUP","options":[{"key":"USE_IOS_APPID"}]}`, 201},
		{`{"key":"ICLOUD_VERSION","options":[{"key":"XCODE_6"}]}`, 409},
	} {
		id := c.data(t, "POST", "/v1/bundleIds", resource("bundleIds", "", fmt.Sprintf(`"identifier":"com.example.%d","name":"X","platform":"IOS"`, x.status), ""))["id"].(string)
		body := resource(
			"bundleIdCapabilities",
			"",
			`"capabilityType":"MARZIPAN","settings":[`+x.setting+`]`,
			to("bundleId", "bundleIds", id),
		)
		if status, _, doc := c.send("POST", "/v1/bundleIdCapabilities", body); status != x.status {
			t.Errorf("%s: %d %v", x.setting, status, doc)
		}
	}
	c.certificate(t, "DEVELOPER_ID_APPLICATION_G2", csr)
	c.data(
		t,
		"POST",
		"/v1/bundleIdCapabilities",
		resource("bundleIdCapabilities", "", `"capabilityType":"MARZIPAN"`, to("bundleId", "bundleIds", bundle)),
	)
}

func TestProfilesEndWithWhatTheyAreMadeOf(t *testing.T) {
	for _, x := range []struct {
		name string
		end  func(c *client, certificate, bundle string)
		want string
	}{
		{"nothing", func(*client, string, string) {}, "ACTIVE"},
		{"its certificate is revoked", func(c *client, certificate, _ string) { c.send("DELETE", "/v1/certificates/"+certificate, "") }, "INVALID"},
		{"a capability is added", func(c *client, _, bundle string) {
			c.send("POST", "/v1/bundleIdCapabilities", resource("bundleIdCapabilities", "", `"capabilityType":"WALLET"`, to("bundleId", "bundleIds", bundle)))
		}, "INVALID"},
		{"a capability is taken", func(c *client, _, bundle string) {
			_, _, doc := c.send("GET", "/v1/bundleIds/"+bundle+"/bundleIdCapabilities", "")
			c.send("DELETE", "/v1/bundleIdCapabilities/"+at(doc, "data", 0, "id").(string), "")
		}, "INVALID"},
		{"its certificate expires", func(c *client, certificate, _ string) {
			_ = c.Act(Act{Type: "certificates", ID: certificate, Do: "expire"})
		}, "INVALID"},
		{"a year goes by", func(c *client, _, _ string) { c.SetClock(367*24*time.Hour, 0) }, "EXPIRED"},
	} {
		c := newClient(t, World{NoAuth: true})
		certificate := c.certificate(t, "DISTRIBUTION", request(t, t.TempDir()))["id"].(string)
		bundle := c.IDs("bundleIds")[0]
		id := c.data(t, "POST", "/v1/profiles", resource("profiles", "", `"name":"P","profileType":"IOS_APP_STORE"`,
			to("bundleId", "bundleIds", bundle)+","+many("certificates", "certificates", certificate)))["id"].(string)
		x.end(c, certificate, bundle)
		if got := at(c.data(t, "GET", "/v1/profiles/"+id, ""), "attributes", "profileState"); got != x.want {
			t.Errorf("%s: %v, want %s", x.name, got, x.want)
		}
		if x.want == "EXPIRED" { // no value of the document, and so of no filter
			continue
		}
		if _, _, doc := c.send("GET", "/v1/profiles?filter[name]=P&filter[profileState]="+x.want, ""); at(
			doc,
			"data",
			0,
			"id",
		) != id {
			t.Errorf("%s: not found by its state: %v", x.name, doc)
		}
	}
}

func TestDevicesHaveALimit(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	var last int
	for i := range mostDevices + 1 {
		last, _, _ = c.send(
			"POST",
			"/v1/devices",
			resource("devices", "", fmt.Sprintf(`"name":"D","platform":"IOS","udid":"%08x-%016x"`, i+1, i), ""),
		)
		if i < mostDevices-2 && last != 201 {
			t.Fatalf("device %d: %d", i, last)
		}
	}
	if last != 409 {
		t.Errorf("the last: %d", last)
	}
	c.SetClock(366*24*time.Hour, 0)
	next := resource("devices", "", `"name":"D","platform":"IOS","udid":"`+strings.Repeat("a", 40)+`"`, "")
	if status, _, doc := c.send("POST", "/v1/devices", next); status != 201 {
		t.Errorf("in the next year: %d %v", status, doc)
	}
}
