package policy

import (
	"fmt"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

// maxHour is the greatest budget that can be written.
const maxHour = 1_000_000

// Budget is the caller's in force, 0 if there is none: the mode audit refuses
// nothing.
func (d Decision) Budget() int {
	if d.Audit {
		return 0
	}
	return d.Hour
}

// Budget is the greatest that rules give a principal for a team, 0 if none does.
// It is what the caller is told; a call goes by the rules that allow it.
func (p *Policy) Budget(who *access.Principal, team string) (hour int) {
	if who == nil || p.Mode == Audit {
		return 0
	}
	for _, r := range p.rulesOf(who) {
		if r.forTeam(team) {
			hour = max(hour, r.hour)
		}
	}
	return hour
}

// larger is the one of two budgets that allows more. 0 has no end.
func larger(a, b int) int {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}

// budget tells a rule's, "" if it has none.
func (r *rule) budget() string {
	if r.hour == 0 {
		return ""
	}
	return fmt.Sprintf(", hour %d", r.hour)
}

// budget tells what the caller may spend, "" if there is no end to it.
func (d Decision) budget() string {
	switch {
	case d.Hour == 0:
		return ""
	case d.Audit:
		return fmt.Sprintf("; budget: %d of Apple's requests an hour, once the mode is enforce", d.Hour)
	}
	return fmt.Sprintf("; budget: %d of Apple's requests an hour", d.Hour)
}
