package restrict

import "testing"

// TestWritten holds that what is shown of each rule is what decides.
func TestWritten(t *testing.T) {
	for _, r := range newTable(t).Rules {
		if kind, by := Written(r.Method.Name()); kind != r.Kind || by != r.By {
			t.Errorf("%s: %s %q, want %s %q", r.Method.Name(), kind, by, r.Kind, r.By)
		}
	}
	if kind, by := Written("asc.apps.v1.Nothing/Nothing"); kind != "" || by != "" {
		t.Errorf("no method: %s %q", kind, by)
	}
}
