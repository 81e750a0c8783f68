package sales

import "time"

// devices on which things are bought, and their shares.
var (
	devices      = []string{"iPhone", "iPad", "Desktop", "Apple Watch", "iPod touch"}
	deviceShares = []float64{0.74, 0.17, 0.06, 0.02, 0.01}
)

// Chances of the model, in believable sizes; none is Apple's.
const (
	refundChance     = 0.02  // of a paid unit
	redownloadShare  = 0.35  // of first downloads
	updateShare      = 2.5   // of first downloads, spread over the days after a version
	promoShare       = 0.01  // of paid apps: codes of the developer
	refundDays       = 14    // within which a refund comes
	launchDays       = 10    // in which a new product sells better
	unitsOfFree      = 300.0 // a day and product, worldwide
	unitsOfPaid      = 60.0
	unitsOfPurchases = 40.0
	newSubscribers   = 12.0
)

// popular is how well a product sells, 1 on average.
func (m *Market) popular(p *Product) float64 { return 0.4 + 1.2*throw(m.Seed, "popular", p.ID).unit() }

// season is how well a product sells on a day, 1 on average: less in the middle of the
// week, more at the turn of the year and after its launch.
func season(p *Product, d Day) float64 {
	s := [...]float64{1.2, 0.9, 0.88, 0.9, 0.95, 1.05, 1.25}[d.Weekday()]
	if _, month, day := d.Time().Date(); month == time.December && day >= 24 || month == time.January && day == 1 {
		s *= 1.7
	}
	if age := d - p.From; age >= 0 && age < launchDays {
		s *= 1 + 2*float64(launchDays-age)/launchDays
	}
	return s
}

// units yields what is sold of a product without periods.
func (m *Market) units(p *Product, t *Territory, s Span, sold Sold) {
	for d := max(s.From-refundDays, p.From, m.Start); d <= s.To; d++ {
		price, ok := p.Price(t, d, d)
		if !ok {
			continue
		}
		refunds := throw(m.Seed, "refunds", p.ID, t.ID).with(int(d))
		m.boughtOn(p, t, d, price, func(l Line, device, units int) {
			if l.Day = d; d >= s.From {
				sold(l, units)
			}
			if !l.Paid {
				return
			}
			of := refunds.with(device)
			l.Refund, l.Day = true, d+1+Day(of.with(1).below(refundDays))
			back := min(units, of.count(float64(units)*refundChance))
			if back > 0 && l.Day >= s.From && l.Day <= s.To {
				sold(l, back)
			}
		})
	}
}

// boughtOn yields what is bought on a day, without refunds, with the number of the device.
func (m *Market) boughtOn(p *Product, t *Territory, d Day, price Price, sold func(l Line, device, units int)) {
	base := unitsOfPurchases
	if p.Kind == App && price.Customer > 0 {
		base = unitsOfPaid
	} else if p.Kind == App {
		base = unitsOfFree
	}
	mean := m.Volume * base * m.popular(p) * season(p, d) * t.weight
	about := throw(m.Seed, "units", p.ID, t.ID).with(int(d))
	for i, device := range devices {
		l := Line{Product: p, Territory: t, Type: p.typeOn(device), Price: price.Customer, Proceeds: price.Proceeds,
			Currency: price.Currency, Version: p.Version(d), Device: device, Paid: price.Customer > 0}
		units := about.with(i).count(mean * deviceShares[i])
		if units > 0 {
			sold(l, i, units)
		}
		if p.Kind != App {
			continue
		}
		free := l
		free.Price, free.Proceeds, free.Paid = 0, 0, false
		if codes := about.with(i + 10).count(mean * deviceShares[i] * promoShare); l.Paid && codes > 0 {
			free.Promo = "CR-RW"
			sold(free, i, codes)
			free.Promo = ""
		}
		free.Type = again(l.Type, '3')
		if n := about.with(i + 20).count(mean * deviceShares[i] * redownloadShare); n > 0 {
			sold(free, i, n)
		}
		free.Type = again(l.Type, '7')
		if n := about.with(i + 30).count(mean * deviceShares[i] * updateShare); n > 0 {
			sold(free, i, n)
		}
	}
}

// typeOn is the product type identifier of a first purchase on a device. Apple: Product
// type identifiers.
func (p *Product) typeOn(device string) string {
	mac := device == "Desktop" && p.Platforms == "macOS"
	switch p.Kind {
	case App:
		if mac {
			return "F1"
		}
		return "1F"
	case NonRenewing:
		return "IA9"
	case Subscription:
		return "IAY"
	}
	if mac {
		return "FI1"
	}
	return "IA1"
}

// again is the type of a redownload (3) or an update (7) of what has a type.
func again(typ string, kind byte) string {
	if typ == "F1" {
		return "F" + string(kind)
	}
	return string(kind) + typ[1:]
}
