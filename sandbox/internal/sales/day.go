package sales

import "time"

// Day is a day of Apple's reports, Pacific time: the days since 1970-01-01.
type Day int

// Pacific is a moment in Apple's time: UTC-8, and UTC-7 from the second Sunday of March to
// the first Sunday of November, at two o'clock. The rule stands here because a machine may
// know no time zones.
func Pacific(t time.Time) time.Time {
	winter := t.In(time.FixedZone("PST", -8*60*60))
	year := winter.Year()
	from := time.Date(year, time.March, sunday(year, time.March, 2), 2, 0, 0, 0, winter.Location())
	to := time.Date(year, time.November, sunday(year, time.November, 1), 1, 0, 0, 0, winter.Location())
	if winter.Before(from) || !winter.Before(to) {
		return winter
	}
	return t.In(time.FixedZone("PDT", -7*60*60))
}

// sunday is the day of the n-th Sunday of a month.
func sunday(year int, month time.Month, n int) int {
	first := Date(year, month, 1).Weekday()
	return 1 + (7-int(first))%7 + 7*(n-1)
}

// DayOf is the day of a moment, as Apple counts it.
func DayOf(t time.Time) Day {
	y, m, d := Pacific(t).Date()
	return Date(y, m, d)
}

// Date is a day of the calendar.
func Date(y int, m time.Month, d int) Day {
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// Time is the noon of a day in UTC, for its parts.
func (d Day) Time() time.Time { return time.Unix(int64(d)*24*60*60+12*60*60, 0).UTC() }

// At is a time of a day, Pacific.
func (d Day) At(hour int) time.Time {
	y, m, day := d.Time().Date()
	noon := Pacific(time.Date(y, m, day, 20, 0, 0, 0, time.UTC))
	return time.Date(y, m, day, hour, 0, 0, 0, noon.Location())
}

// String is the day as YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// slashed is the day as MM/DD/YYYY.
func (d Day) slashed() string { return d.Time().Format("01/02/2006") }

// Weekday is the day's name.
func (d Day) Weekday() time.Weekday { return time.Weekday((d%7 + 7 + 4) % 7) } // 1970 began on a Thursday

// Span is some days, both ends among them.
type Span struct{ From, To Day }

// Month is a month of the calendar.
func Month(y int, m time.Month) Span { return Span{Date(y, m, 1), Date(y, m+1, 1) - 1} }

// Year is a year of the calendar.
func Year(y int) Span { return Span{Date(y, 1, 1), Date(y+1, 1, 1) - 1} }

// FiscalMonth is a month of Apple's fiscal year, 1 to 12. The year begins on the Sunday
// after the last Saturday of September; its quarters have 5, 4 and 4 weeks. Where it has
// 53 weeks, the third month has five.
func FiscalMonth(year, month int) Span {
	from := fiscalYear(year)
	weeks := [12]Day{5, 4, 4, 5, 4, 4, 5, 4, 4, 5, 4, 4}
	if fiscalYear(year+1)-from == 53*7 {
		weeks[2]++
	}
	for _, w := range weeks[:month-1] {
		from += 7 * w
	}
	return Span{from, from + 7*weeks[month-1] - 1}
}

// fiscalYear is the first day of a fiscal year.
func fiscalYear(year int) Day {
	d := Date(year-1, time.September, 30)
	for d.Weekday() != time.Saturday {
		d--
	}
	return d + 1
}

// FiscalMonthOf is the year and month that a day is in.
func FiscalMonthOf(d Day) (year, month int) {
	year = d.Time().Year()
	if d >= fiscalYear(year+1) {
		year++
	}
	for month = 12; month > 1 && d < FiscalMonth(year, month).From; month-- {
	}
	return year, month
}

// Period is how long a subscription or an offer runs: days, or months of the calendar.
type Period struct{ Days, Months int }

// times is a day after some periods. The 31st becomes the last of a shorter month.
func (p Period) times(from Day, n int) Day {
	if p.Months == 0 {
		return from + Day(n*p.Days)
	}
	y, m, d := from.Time().Date()
	m += time.Month(n * p.Months)
	return min(Date(y, m, d), Date(y, m+1, 1)-1)
}

// String is the period in Apple's words: "7 Days", "1 Month", "1 Year".
func (p Period) String() string {
	switch {
	case p.Months == 12:
		return "1 Year"
	case p.Months == 1:
		return "1 Month"
	case p.Months > 1:
		return itoa(p.Months) + " Months"
	case p.Days == 14:
		return "2 Weeks"
	}
	return itoa(p.Days) + " Days"
}
