package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// received is what a webhook's receiver got.
type received struct{ signature, body string }

// receiver is a server that a webhook calls. It answers with status.
func receiver(t *testing.T, status int) (url string, got chan received) {
	t.Helper()
	got = make(chan received, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- received{r.Header.Get("X-Apple-Signature"), string(body)}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "noted")
	}))
	t.Cleanup(s.Close)
	return s.URL + "/hook", got
}

func (c *client) hook(t *testing.T, url string, types ...string) string {
	t.Helper()
	list, err := json.Marshal(append([]string{}, types...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.data(t, "POST", "/v1/webhooks", resource("webhooks", "", fmt.Sprintf(`"name":"ci","url":%q,"secret":"s3cret","enabled":true,"eventTypes":%s`, url, list), to("app", "apps", trailMix)))["id"].(string)
}

// deliveries of a webhook, after those on their way have come back.
func (c *client) deliveries(t *testing.T, hook, query string) []any {
	t.Helper()
	c.hooks.flying.Wait()
	_, _, doc := c.send("GET", "/v1/webhooks/"+hook+"/deliveries?include=event"+query, "")
	list, _ := doc["data"].([]any)
	return list
}

func TestAWebhookIsCalled(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	url, got := receiver(t, 200)
	hook := c.hook(t, url, "BUILD_UPLOAD_STATE_UPDATED", "BUILD_BETA_DETAIL_EXTERNAL_BUILD_STATE_UPDATED")
	c.upload(t, trailMix, "3.0", "1")
	if list := c.deliveries(t, hook, ""); len(list) != 4 || at(list[0], "attributes", "deliveryState") != "SUCCEEDED" ||
		fmt.Sprint(
			at(list[0], "attributes", "response", "httpStatusCode"),
		) != "200" || at(list[0], "attributes", "response", "body") != "noted" {
		t.Errorf("%d deliveries: %v", len(list), list)
	}
	states := map[string]bool{}
	for range 4 {
		r := <-got
		verified(t, r)
		var doc map[string]any
		if err := json.Unmarshal([]byte(r.body), &doc); err != nil {
			t.Fatal(err)
		}
		data := at(doc, "data")
		states[fmt.Sprint(at(data, "type"), at(data, "attributes", "newState"), at(data, "attributes", "newExternalBuildState"))] = true
		if at(data, "relationships", "instance", "data", "id") == nil || at(data, "version") == nil {
			t.Errorf("no instance or version: %s", r.body)
		}
	}
	for _, want := range []string{"buildUploadStateUpdatedPROCESSING<nil>", "buildUploadStateUpdatedCOMPLETE<nil>", "buildBetaDetailExternalBuildStateUpdated<nil>MISSING_EXPORT_COMPLIANCE"} {
		if !states[want] {
			t.Errorf("no %s among %v", want, states)
		}
	}
}

// verified has openssl judge a signature.
func verified(t *testing.T, r received) {
	t.Helper()
	cmd := exec.Command("openssl", "dgst", "-sha256", "-hmac", "s3cret")
	cmd.Stdin = strings.NewReader(r.body)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(out))
	if want := "hmacsha256=" + words[len(words)-1]; r.signature != want {
		t.Errorf("signature %s, openssl says %s", r.signature, want)
	}
}

func TestAFailedDeliveryIsSentAgainByHand(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	url, got := receiver(t, 500)
	hook := c.hook(t, url, "BUILD_UPLOAD_STATE_UPDATED")
	c.send("POST", "/v1/webhookPings", resource("webhookPings", "", "", to("webhook", "webhooks", hook)))
	first := c.deliveries(t, hook, "&filter[deliveryState]=FAILED")
	if len(first) != 1 || fmt.Sprint(at(first[0], "attributes", "response", "httpStatusCode")) != "500" ||
		at(first[0], "attributes", "errorMessage") == nil {
		t.Fatalf("%v", first)
	}
	id := at(first[0], "id").(string)
	c.data(
		t,
		"POST",
		"/v1/webhookDeliveries",
		resource("webhookDeliveries", "", "", to("template", "webhookDeliveries", id)),
	)
	again := c.deliveries(t, hook, "")
	if len(again) != 2 || at(again[1], "attributes", "redelivery") != true {
		t.Errorf("%v", again)
	}
	a, b := <-got, <-got
	if a != b || !strings.Contains(a.body, "webhookPingCreated") {
		t.Errorf("%v, then %v", a, b)
	}
	if len(got) != 0 {
		t.Error("it was sent again by itself")
	}
	if w := c.raw("GET", "/_sandbox/state/webhooks", ""); strings.Contains(w.Body.String(), "s3cret") {
		t.Error("the state shows a secret")
	}
}
