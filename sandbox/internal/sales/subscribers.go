package sales

// Chances of a subscriber, in believable sizes; none is Apple's.
const (
	introChance      = 0.8 // a new subscriber takes the introductory offer
	codeChance       = 0.3 // of the others: redeems an offer code
	trialLeaves      = 0.4 // of free trials, at their end
	firstLeaves      = 0.15
	laterLeaves      = 0.06
	yearlyLeaves     = 0.35
	billingFails     = 0.04 // of renewals
	billingRecovers  = 0.6
	refundSubscriber = 0.01 // of payments
	returns          = 0.2  // of those who left, once
	retryDays        = 60   // Apple: billing retry
	graceDays        = 16   // Apple: billing grace period
	loyalDays        = 365  // after which the developer gets more
)

// Names of events. Apple: Subscription events.
const (
	Subscribe       = "Subscribe"
	StartIntro      = "Start Introductory Offer"
	StartCode       = "Start Offer Code"
	FromIntro       = "Paid Subscription from Introductory Offer"
	FromCode        = "Paid Subscription from Offer Code"
	IntroRenewal    = "Introductory Offer from Introductory Offer"
	Renew           = "Renew"
	BillingRetry    = "Billing Retry from Paid Subscription"
	RetryOfIntro    = "Billing Retry from Introductory Offer"
	Recovered       = "Renewal from Billing Retry"
	RetryCanceled   = "Canceled from Billing Retry"
	Cancel          = "Cancel"
	Reactivate      = "Reactivate"
	ReactivateOffer = "Reactivate with Win-back Offer"
	Refund          = "Refund"
)

// status is how a subscriber stands.
type status int

const (
	gone status = iota
	standard
	onOffer
	retrying
)

// event is what happens to a subscriber on a day, and how things stand then.
type event struct {
	day      Day
	name     string
	status   status // from now on
	offer    *Offer // that began, or ran; nil at the standard price
	price    Price  // that was, or is to be, paid
	charged  bool   // a payment, or the start of a free trial
	proceeds Money
	paid     int // consecutive paid periods
	canceled int // days since a cancel, for a return
	reason   string
	bought   Day // what a refund gives back
	first    bool
}

// life is one subscriber.
type life struct {
	p      *Product
	t      *Territory
	dice   dice
	from   Day // of the first subscription
	device string
	state  string
	loyal  Day // since when without a gap
}

// states of customers in the United States; elsewhere Apple leaves the column empty.
var states = []string{"CA", "NY", "TX", "FL", "WA", "IL", blank}

// lives yields the subscribers that came in a territory until a day.
func (m *Market) lives(p *Product, t *Territory, to Day, each func(l *life)) {
	people, base := throw(m.Seed, "subscribers", p.ID, t.ID), m.Volume*newSubscribers*m.popular(p)*t.weight
	for d := max(p.From, m.Start); d <= to; d++ {
		about := people.with(int(d))
		for i := range about.count(base * season(p, d)) {
			l := life{p: p, t: t, dice: about.with(i + 1), from: d, loyal: d, state: blank}
			l.device = devices[l.dice.with(1).pick(deviceShares)]
			if t.ID == "USA" {
				l.state = states[l.dice.with(2).below(len(states))]
			}
			each(&l)
		}
	}
}

// id is what Apple calls a subscriber: a random number of 64 bits; none is below zero.
func (l *life) id() string { return utoa(uint64(l.dice.with(3))>>1 | 1<<60) }

// walk yields what happens to a subscriber until a day, in order.
func (l *life) walk(until Day, each func(e *event)) {
	e, end, ok := l.begin()
	for step := 100; ok && e.day <= until; step += 10 {
		l.happen(&e, end, step, until, each)
		if e.status == gone {
			ok = l.comeBack(&e, &end, step)
			continue
		}
		e, end, ok = l.next(e, end, step)
	}
}

// happen yields an event. A payment may be given back before its period ends; then the
// subscription ends with it.
func (l *life) happen(e *event, end Day, step int, until Day, each func(e *event)) {
	each(e)
	of := l.dice.with(step)
	if !e.charged || e.price.Customer == 0 || !of.happens(refundSubscriber) {
		return
	}
	back := e.day + 1 + Day(of.with(1).below(refundDays))
	if back >= end {
		return
	}
	refund := *e
	refund.day, refund.name, refund.status, refund.charged, refund.bought = back, Refund, gone, false, e.day
	*e = refund
	if back <= until {
		each(e)
	}
}

// begin is how a subscriber starts, and when that period ends.
func (l *life) begin() (e event, end Day, ok bool) {
	e = event{day: l.from, name: Subscribe, status: standard, charged: true, first: true}
	of := l.dice.with(4)
	if offer, price := l.p.offered(Introductory, l.t, l.from); offer != nil && of.happens(introChance) {
		e.name, e.status, e.offer, e.price = StartIntro, onOffer, offer, price
	} else if offer, price := l.p.offered(OfferCode, l.t, l.from); offer != nil && of.with(1).happens(codeChance) {
		e.name, e.status, e.offer, e.price = StartCode, onOffer, offer, price
	}
	return l.period(e)
}

// period sets when the period of a payment ends, and what it costs at the standard price.
func (l *life) period(e event) (event, Day, bool) {
	if e.offer != nil {
		e.proceeds = e.price.Proceeds
		if e.offer.Mode == PayAsYouGo {
			return e, e.offer.Duration.times(e.day, 1), true
		}
		return e, e.offer.end(e.day), true
	}
	price, ok := l.p.Price(l.t, e.day, l.from)
	e.price, e.proceeds, e.paid = price, price.Proceeds, e.paid+1
	if e.day-l.loyal >= loyalDays {
		e.proceeds, e.reason = price.Later, "Rate After One Year"
	}
	return e, l.p.Period.times(e.day, 1), ok
}

// next is what happens at the end of a period: the subscriber stays, leaves, or cannot
// pay.
func (l *life) next(e event, end Day, step int) (event, Day, bool) {
	of := l.dice.with(step + 1)
	was := e
	e = event{day: end, name: Renew, status: standard, charged: true, paid: was.paid}
	if was.status == retrying {
		return l.afterRetry(e, was, of)
	}
	switch {
	case of.happens(l.leaves(&was)):
		e.name, e.status, e.charged, e.reason = Cancel, gone, false, "Canceled"
		e.offer, e.price, e.proceeds = was.offer, was.price, was.proceeds
		return e, end, true
	case of.with(1).happens(billingFails):
		e.name, e.status, e.charged = BillingRetry, retrying, false
		e.offer, e.price, e.proceeds = was.offer, was.price, was.proceeds
		if was.offer != nil && was.offer.Kind == Introductory {
			e.name = RetryOfIntro
		}
		return e, end, true
	case was.offer == nil:
	case was.offer.Mode == PayAsYouGo && end < was.offer.end(l.from) && was.offer.Kind == Introductory:
		e.name, e.status, e.offer, e.price = IntroRenewal, onOffer, was.offer, was.price
	case was.offer.Kind == Introductory:
		e.name = FromIntro
	case was.offer.Kind == OfferCode:
		e.name = FromCode
	}
	return l.period(e)
}

// afterRetry is how a billing retry ends: with a payment within some days, or never.
func (l *life) afterRetry(e, was event, of dice) (event, Day, bool) {
	if of.happens(billingRecovers) {
		e.day, e.name = was.day+1+Day(of.with(1).below(graceDays)), Recovered
		return l.period(e)
	}
	e.day, e.name, e.status, e.charged = was.day+retryDays, RetryCanceled, gone, false
	e.reason, e.offer, e.price = "Billing issue", was.offer, was.price
	return e, e.day, true
}

// leaves is the chance that a subscriber does not renew.
func (l *life) leaves(e *event) float64 {
	switch {
	case e.offer != nil && e.offer.Mode == FreeTrial:
		return trialLeaves
	case l.p.Period.Months == 12:
		return yearlyLeaves
	case e.paid <= 1:
		return firstLeaves
	}
	return laterLeaves
}

// comeBack says whether one who left subscribes again, and makes it the next event.
func (l *life) comeBack(e *event, end *Day, step int) bool {
	of := l.dice.with(step + 2)
	if !of.happens(returns) {
		return false
	}
	away := 10 + of.with(1).below(120)
	back := event{day: e.day + Day(away), name: Reactivate, status: standard, charged: true, canceled: away}
	if offer, price := l.p.offered(WinBack, l.t, back.day); offer != nil {
		back.name, back.status, back.offer, back.price = ReactivateOffer, onOffer, offer, price
	}
	l.loyal = back.day
	var ok bool
	*e, *end, ok = l.period(back)
	return ok
}

// lines yields what a subscriber pays and gets back in some days.
func (l *life) lines(s Span, sold Sold) {
	start := l.loyal
	l.walk(s.To, func(e *event) {
		if e.day < s.From || !e.charged && e.name != Refund {
			return
		}
		line := Line{Product: l.p, Territory: l.t, Day: e.day, Type: "IAY", Refund: e.name == Refund,
			Price: e.price.Customer, Proceeds: e.proceeds, Currency: e.price.Currency, Device: l.device,
			New: "Renewal", Reason: e.reason, Kept: e.price.Kept, Paid: e.price.Customer > 0}
		if e.first {
			line.New = "New"
		}
		if e.offer != nil {
			line.Order = e.offer.Mode.String()
			line.Promo = e.offer.ID
		}
		sold(line, 1)
	})
	l.loyal = start
}
