package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestPages starts one gateway and one browser for all that is looked at.
func TestPages(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]func(*testing.T, *world){
		"search as one types": search, "search without script": searchPlain, "an operation": operation, "try it": tryIt,
		"try it asks first": asksFirst, "the picture moves": moves, "the sandbox moves": sandboxMoves,
		"the sandbox's acts": sandboxActs, "operations move": operationsMove,
	} {
		t.Run(name, func(t *testing.T) { test(t, w) })
	}
	for _, p := range w.pages() {
		t.Run("looks: "+p.name, func(t *testing.T) { looks(t, w, p) })
	}
}

// shown is a page to look at.
type shown struct{ name, url string }

func (w *world) pages() []shown {
	return []shown{
		{"start", w.rest + "/"},
		{"search", w.rest + "/docs?q=build"},
		{"area", w.rest + "/docs?area=webhooks"},
		{"operation", w.rest + "/docs/asc.testflight.v1.BetaGroupsService/CreateBetaGroup"},
		{"job", w.rest + "/docs/ascgateway.workflows.v1.WorkflowService/DistributeBuild"},
		{"status", w.ops + "/"},
		{"sandbox", w.sandbox + "/"},
	}
}

func search(t *testing.T, w *world) {
	ctx := w.tab(t)
	var first, focused, address string
	do(t, ctx, chromedp.Navigate(w.rest+"/docs"),
		chromedp.SendKeys("#q", "list builds"),
		chromedp.WaitVisible(`#results .list a[href$="/ListBuilds"]`),
		chromedp.Text("#results [role=status]", &first),
		chromedp.Location(&address),
		chromedp.KeyEvent(kb.ArrowDown),
		chromedp.Evaluate(`document.activeElement.getAttribute("href") || ""`, &focused),
		chromedp.KeyEvent(kb.Enter),
		chromedp.WaitVisible("#try"))
	if !strings.Contains(first, "operation") || !strings.HasSuffix(address, "/docs?q=list+builds") || !strings.HasPrefix(focused, "/docs/asc.") {
		t.Errorf("%q at %s, focus on %q", first, address, focused)
	}
}

// searchPlain uses the form with script switched off.
func searchPlain(t *testing.T, w *world) {
	ctx := w.tab(t)
	var address string
	do(t, ctx, emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(w.rest+"/"),
		chromedp.SendKeys("#q", "ListBuilds"+kb.Enter),
		chromedp.WaitVisible(`#results .list a[href$="/ListBuilds"]`), chromedp.Location(&address))
	if !strings.Contains(address, "/docs?q=ListBuilds") {
		t.Error(address)
	}
}

func operation(t *testing.T, w *world) {
	ctx := w.tab(t)
	var text string
	do(t, ctx, chromedp.Navigate(w.rest+"/docs/asc.testflight.v1.BuildsService/ListBuilds"),
		chromedp.Click(`//summary[text()="Python"]`), chromedp.WaitVisible(`[data-line="Python"]`),
		chromedp.Text("#content", &text))
	for _, want := range []string{"filter[app]", "urllib.request", "Apple's limit: 200", "QUOTA_EXHAUSTED", "FILTER"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// tryIt sends a call from the page, and holds that the token stays nowhere.
func tryIt(t *testing.T, w *world) {
	ctx := w.tab(t)
	var status, answer, kept string
	do(t, ctx, chromedp.Navigate(w.rest+"/docs/asc.metadata.v1.AppsService/ListApps"),
		chromedp.SendKeys("#try-token", w.token),
		chromedp.Click("#try-send"), chromedp.WaitVisible("#try-answer"),
		chromedp.Text("#try-status", &status), chromedp.Text("#try-answer", &answer),
		chromedp.Evaluate(`JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href])`, &kept))
	if !strings.HasPrefix(status, "200") || !strings.Contains(status, "asc-quota-remaining") || !strings.Contains(answer, `"bundleId"`) {
		t.Errorf("%s\n%.300s", status, answer)
	}
	if strings.Contains(kept, w.token) {
		t.Error("the token is kept")
	}
}

// asksFirst makes the page take the gateway for one that is not before a sandbox.
func asksFirst(t *testing.T, w *world) {
	ctx := w.tab(t)
	var refused, status string
	do(t, ctx, chromedp.Navigate(w.rest+"/docs/asc.provisioning.v1.BundleIdsService/CreateBundleId"),
		chromedp.Evaluate(`document.getElementById("try").dataset.ask = "yes"; 0`, nil),
		chromedp.SendKeys("#try-token", w.token),
		chromedp.Click("#try-send"), chromedp.WaitVisible("#try-ask"),
		chromedp.KeyEvent(kb.Escape), chromedp.WaitNotVisible("#try-ask"),
		chromedp.Poll(`document.getElementById("try-status").textContent`, &refused),
		chromedp.Click("#try-send"), chromedp.WaitVisible("#try-ask"), chromedp.Click("#try-yes"),
		chromedp.WaitVisible("#try-answer"), chromedp.Text("#try-status", &status))
	if refused != "Not sent." || !strings.HasPrefix(status, "201") {
		t.Errorf("%q, then %q", refused, status)
	}
}

// moves makes calls and sees the picture of the key's hour move.
func moves(t *testing.T, w *world) {
	ctx := w.tab(t)
	var before, after string
	w.call(t, "/v1/apps?limit=1")
	do(t, ctx, chromedp.Navigate(w.ops+"/"), chromedp.WaitVisible("svg.hour"),
		chromedp.Poll(`document.getElementById("live").textContent.startsWith("Live")`, nil),
		chromedp.AttributeValue("svg.hour", "aria-label", &before, nil))
	for range 40 {
		w.call(t, "/v1/apps?limit=1")
	}
	do(t, ctx, chromedp.Poll(fmt.Sprintf(`document.querySelector("svg.hour").getAttribute("aria-label") !== %q`, before), nil),
		chromedp.AttributeValue("svg.hour", "aria-label", &after, nil))
	if !strings.Contains(after, "requests used") {
		t.Errorf("%q → %q", before, after)
	}
}

// operationsMove sees an operation begin, wait and end on the status page.
func operationsMove(t *testing.T, w *world) {
	ctx := w.tab(t)
	says := func(text string) chromedp.Action {
		return chromedp.Poll(fmt.Sprintf(`document.querySelector("[data-id=operations]").innerText.includes(%q)`, text), nil)
	}
	do(t, ctx, chromedp.Navigate(w.ops+"/"), chromedp.WaitVisible(`[data-id=operations]`))
	answer := w.send(t, "POST", "/ascgateway/v1/workflows/distributeBuild",
		`{"app": "com.example.trailmix", "version": "9.9", "number": "1", "groups": ["Friends"]}`)
	do(t, ctx, says("build 9.9 (1) of com.example.trailmix"), says("it is not there yet"))
	name := regexp.MustCompile(`operations/[0-9a-f-]{36}`).FindString(answer)
	w.send(t, "POST", "/ascgateway/v1/"+name+"/cancel", "{}")
	do(t, ctx, says("CANCELLED"))
}

func sandboxMoves(t *testing.T, w *world) {
	ctx := w.tab(t)
	do(t, ctx, chromedp.Navigate(w.sandbox+"/"), chromedp.WaitVisible("#moving"))
	w.call(t, "/v1/apps?limit=3")
	do(t, ctx, chromedp.Poll(`document.body.textContent.includes("/v1/apps?limit=3")`, nil))
}

// sandboxActs presses a button of the sandbox's page that takes an argument, and one
// that takes none, and sees what changes.
func sandboxActs(t *testing.T, w *world) {
	ctx := w.tab(t)
	groups := w.held(t, "betaGroups")
	group := groups[slices.IndexFunc(groups, func(o held) bool { return o.Attributes["isInternalGroup"] == false })].ID
	w.send(t, "PATCH", "/v1/betaGroups/"+group, `{"publicLinkEnabled": true}`)
	join := fmt.Sprintf(`form[aria-label="join betaGroups %s"]`, group)
	const publish = `form[aria-label^="publish customerReviewResponses"]`
	do(t, ctx, chromedp.Navigate(w.sandbox+"/"),
		chromedp.SendKeys(join+` [name="with.email"]`, "new@example.com"))
	w.call(t, "/v1/apps?limit=4")
	do(t, ctx, // the page moves meanwhile: what was typed stays
		chromedp.Poll(`document.body.textContent.includes("/v1/apps?limit=4")`, nil))
	press(t, ctx, join+" button")
	press(t, ctx, publish+" button")
	do(t, ctx, chromedp.WaitVisible("#moving"), chromedp.WaitNotPresent(publish))
	joined := func(o held) bool { return o.Attributes["email"] == "new@example.com" }
	if !slices.ContainsFunc(w.held(t, "betaTesters"), joined) {
		t.Error("the tester did not join")
	}
	waits := func(o held) bool { return o.Attributes["state"] == "PENDING_PUBLISH" }
	if slices.ContainsFunc(w.held(t, "customerReviewResponses"), waits) {
		t.Error("the response was not published")
	}
}

// press clicks on a button, and waits for the page that it leads to.
func press(t *testing.T, ctx context.Context, button string) {
	t.Helper()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(button)); err != nil {
		t.Fatalf("%s: %v", button, err)
	}
}

// looks sees a page in light and dark, wide and on a telephone: nothing is wider
// than the screen, every control has a name, texts can be told from what is
// behind them.
func looks(t *testing.T, w *world, p shown) {
	ctx := w.tab(t)
	height := int64(1500)
	if n, err := strconv.ParseInt(os.Getenv("SCREENSHOT_HEIGHT"), 10, 64); err == nil {
		height = n
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 375} {
			var wide int64
			var weak []string
			name := fmt.Sprintf("%s-%s-%d", p.name, scheme, width)
			do(t, ctx, emulation.SetDeviceMetricsOverride(width, height, 1, width < 500),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.Navigate(p.url), chromedp.WaitVisible("#content"),
				chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide),
				chromedp.Evaluate(contrast, &weak), keep(t, name))
			if wide > width {
				t.Errorf("%s: %d wide", name, wide)
			}
			for _, text := range weak {
				t.Errorf("%s: hard to read: %s", name, text)
			}
		}
	}
	named(t, ctx, p.name)
}

// contrast lists texts with less than 4.5 : 1 against what is behind them.
const contrast = `(() => {
  const parse = (c) => (c.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const weak = [];
  for (const e of document.querySelectorAll("main *, header *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest("svg")) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(ratio.toFixed(2) + " " + e.textContent.trim().slice(0, 60));
  }
  return weak.slice(0, 5);
})()`

// named holds that every control and picture has a name for readers of the
// accessibility tree, and that the page has its landmarks.
func named(t *testing.T, ctx context.Context, name string) {
	var tree struct {
		Nodes []axNode `json:"nodes"`
	}
	do(t, ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		return cdp.Execute(ctx, "Accessibility.getFullAXTree", nil, &tree)
	}))
	roles := map[string]int{}
	for _, n := range tree.Nodes {
		if n.Ignored {
			continue
		}
		role, _ := n.Role.Value.(string)
		roles[role]++
		switch role {
		case "link", "button", "textbox", "searchbox", "combobox", "image", "region", "form", "navigation", "heading", "dialog":
			if n.Name.Value == "" || n.Name.Value == nil {
				t.Errorf("%s: a %s has no name", name, role)
			}
		}
	}
	if roles["main"] != 1 || roles["banner"] != 1 || roles["navigation"] == 0 || roles["heading"] == 0 {
		t.Errorf("%s: landmarks: %v", name, roles)
	}
}

// axNode is what is looked at of a node of the accessibility tree.
type axNode struct {
	Ignored bool    `json:"ignored"`
	Role    axValue `json:"role"`
	Name    axValue `json:"name"`
}

type axValue struct {
	Value any `json:"value"`
}

// keep writes a picture of the page into the folder that SCREENSHOTS names.
func keep(t *testing.T, name string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		dir := os.Getenv("SCREENSHOTS")
		if dir == "" {
			return nil
		}
		b, err := page.CaptureScreenshot().Do(ctx)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name+".png"), b, 0o644)
	})
}
