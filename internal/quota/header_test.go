package quota

import "testing"

func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		want   Limits
	}{
		{"the hour", []string{"user-hour-lim:3600;user-hour-rem:3577;"}, Limits{Hour: Pair{3600, 3577, true}}},
		{"two lines", []string{"user-hour-lim:3600;user-hour-rem:3577;", "user-minute-lim:150;user-minute-rem:149;"}, Limits{Pair{3600, 3577, true}, Pair{150, 149, true}}},
		{"joined", []string{"user-hour-lim:3600;user-hour-rem:3598;, user-minute-lim:150;user-minute-rem:149;"}, Limits{Pair{3600, 3598, true}, Pair{150, 149, true}}},
		{"the minute alone", []string{"user-minute-lim:250;user-minute-rem:249"}, Limits{Minute: Pair{250, 249, true}}},
		{"below zero", []string{"user-hour-lim:3600;user-hour-rem:-1;"}, Limits{Hour: Pair{3600, 0, true}}},
		{"unknown names", []string{"user-day-lim:9;user-hour-rem:5;user-hour-lim:10;x"}, Limits{Hour: Pair{10, 5, true}}},
		{"half", []string{"user-hour-lim:3600;"}, Limits{}},
		{"more than all", []string{"user-hour-lim:10;user-hour-rem:11"}, Limits{}},
		{"junk", []string{"::;;,user-hour-lim:abc;user-hour-rem:99999999999999999999"}, Limits{}},
		{"nothing", nil, Limits{}},
	} {
		if got := ParseLimits(c.values); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	f.Add("user-hour-lim:3600;user-hour-rem:3598;, user-minute-lim:150;")
	f.Fuzz(func(t *testing.T, s string) {
		l := ParseLimits([]string{s})
		for _, p := range []Pair{l.Hour, l.Minute} {
			if p.Known && (p.Limit <= 0 || p.Remaining < 0 || p.Remaining > p.Limit) {
				t.Errorf("%q: %+v", s, p)
			}
		}
	})
}
