package reports

import (
	"time"
	_ "time/tzdata" // days are Pacific time wherever the gateway runs

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// maxFiles bounds the days, weeks, months or years of one call.
const maxFiles = 400

// pacific is the time zone of Apple's days.
var pacific = func() *time.Location {
	l, err := time.LoadLocation("America/Los_Angeles")
	if err != nil { // it is within the program
		panic(err)
	}
	return l
}()

// span is what one file is of.
type span struct {
	name string    // as Apple names it
	end  time.Time // when it is over
	due  time.Time // when it is published
}

// layouts are how dates are spelled, by frequency.
var layouts = map[string]string{daily: time.DateOnly, weekly: time.DateOnly, monthly: "2006-01", yearly: "2006"}

// spans are those of a range, in order.
func spans(k kind, frequency, from, to string) (list []span, err error) {
	first, last, err := ends(layouts[frequency], from, to)
	if err != nil {
		return nil, err
	}
	if frequency == weekly { // Apple names a week by its last day, a Sunday
		first, last = sunday(first), sunday(last)
	}
	for t := first; !t.After(last); {
		if len(list) == maxFiles {
			return nil, fault.Invalid("to", "a call reads at most %d files: begin another at %s", maxFiles,
				t.Format(layouts[frequency]))
		}
		s := span{name: t.Format(layouts[frequency])}
		switch frequency {
		case daily:
			s.end, t = t.AddDate(0, 0, 1), t.AddDate(0, 0, 1)
		case weekly:
			s.end, t = t.AddDate(0, 0, 1), t.AddDate(0, 0, 7)
		case monthly:
			s.end, t = t.AddDate(0, 1, 0), t.AddDate(0, 1, 0)
		default:
			s.end, t = t.AddDate(1, 0, 0), t.AddDate(1, 0, 0)
		}
		s.due = due(k, frequency, s.end)
		list = append(list, s)
	}
	return list, nil
}

// due is when a report of what is over at end is published. Apple: daily and weekly
// by 5 in the morning, a month five days later, a year six.
func due(k kind, frequency string, end time.Time) time.Time {
	t := end.Add(5 * time.Hour)
	switch {
	case frequency == monthly:
		t = t.AddDate(0, 0, 5)
	case frequency == yearly:
		t = t.AddDate(0, 0, 6)
	case k.late:
		t = end.AddDate(0, 0, 1)
	}
	return t
}

func ends(layout, from, to string) (first, last time.Time, err error) {
	if to == "" {
		to = from
	}
	if first, err = time.ParseInLocation(layout, from, pacific); err != nil {
		return first, last, fault.Invalid(
			"from",
			"want a date such as %s",
			time.Date(2026, 11, 1, 0, 0, 0, 0, pacific).Format(layout),
		)
	}
	if last, err = time.ParseInLocation(layout, to, pacific); err != nil {
		return first, last, fault.Invalid("to", "must be spelled like from")
	}
	if last.Before(first) {
		return first, last, fault.Invalid("to", "must not be before from")
	}
	return first, last, nil
}

func sunday(t time.Time) time.Time { return t.AddDate(0, 0, (7-int(t.Weekday()))%7) }

// fiscalSpans are those of months of Apple's fiscal year.
func fiscalSpans(from, to string) (list []span, err error) {
	first, last, err := ends("2006-01", from, to)
	if err != nil {
		return nil, err
	}
	for t := first; !t.After(last); t = t.AddDate(0, 1, 0) {
		if len(list) == maxFiles {
			return nil, fault.Invalid("to", "a call reads at most %d files", maxFiles)
		}
		end := fiscalEnd(t.Year(), int(t.Month()))
		// Published about the first Friday of the next fiscal month, which begins on a
		// Sunday; the whole of that day is waited for.
		list = append(list, span{name: t.Format("2006-01"), end: end, due: end.AddDate(0, 0, 6)})
	}
	return list, nil
}

// fiscalEnd is when a month of Apple's fiscal year is over. A year ends with the last
// Saturday of September; its quarters are of 5, 4 and 4 weeks. Where it has 53 weeks,
// as in 2023, December has five.
func fiscalEnd(year, month int) time.Time {
	begin, end := yearEnd(year-1), yearEnd(year)
	weeks := 0
	for m := 1; m <= month; m++ {
		weeks += 4
		if m%3 == 1 || m == 3 && begin.AddDate(0, 0, 53*7).Equal(end) {
			weeks++
		}
	}
	return begin.AddDate(0, 0, 7*weeks)
}

// yearEnd is the Sunday after the last Saturday of September.
func yearEnd(year int) time.Time {
	t := time.Date(year, time.September, 30, 0, 0, 0, 0, pacific)
	for t.Weekday() != time.Saturday {
		t = t.AddDate(0, 0, -1)
	}
	return t.AddDate(0, 0, 1)
}
