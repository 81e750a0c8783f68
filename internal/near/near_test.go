package near

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		want       int
	}{
		{"equal", "builds", "builds", 0},
		{"nothing", "", "", 0},
		{"one letter more", "build", "builds", 1},
		{"one letter less", "builds", "build", 1},
		{"another letter", "builds", "guilds", 1},
		{"two changed places", "bulids", "builds", 1},
		{"all of it", "abc", "xyz", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Distance(c.a, c.b); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
