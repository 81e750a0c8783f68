package sales

import (
	"io"
	"slices"
	"strconv"
)

// SubscriptionColumns are those of the subscription report. Apple: Subscription Report;
// the last four were seen live.
var SubscriptionColumns = []string{
	"App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID", "Subscription Group ID",
	"Standard Subscription Duration", "Subscription Offer Name", "Promotional Offer ID", "Customer Price",
	"Customer Currency", "Developer Proceeds", "Proceeds Currency", "Preserved Pricing", "Proceeds Reason", "Client",
	"Device", "State", "Country", "Active Standard Price Subscriptions",
	"Active Free Trial Introductory Offer Subscriptions", "Active Pay Up Front Introductory Offer Subscriptions",
	"Active Pay As You Go Introductory Offer Subscriptions", "Free Trial Promotional Offer Subscriptions",
	"Pay Up Front Promotional Offer Subscriptions", "Pay As You Go Promotional Offer Subscriptions",
	"Free Trial Offer Code Subscriptions", "Pay Up Front Offer Code Subscriptions",
	"Pay As You Go Offer Code Subscriptions", "Marketing Opt-Ins", "Billing Retry", "Grace Period", "Subscribers",
	"Free Trial Win-back Offers", "Pay Up Front Win-back Offers", "Pay As You Go Win-back Offers",
}

// EventColumns are those of the subscription event report. Apple: Subscription Event
// Report, version 1_3.
var EventColumns = []string{
	"Event Date", "Event", "App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID",
	"Subscription Group ID", "Standard Subscription Duration", "Subscription Offer Type",
	"Subscription Offer Duration", "Marketing Opt-In", "Marketing Opt-In Duration", "Preserved Pricing",
	"Proceeds Reason", "Subscription Offer Name", "Promotional Offer ID", "Consecutive Paid Periods",
	"Original Start Date", "Device", "Client", "State", "Country", "Previous Subscription Name",
	"Previous Subscription Apple ID", "Days Before Canceling", "Cancellation Reason", "Days Canceled", "Quantity",
	"Paid Service Days Recovered",
}

// SubscriberColumns are those of the subscriber report. Apple: Subscriber Report, version
// 1_3.
var SubscriberColumns = []string{
	"Event Date", "App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID", "Subscription Group ID",
	"Standard Subscription Duration", "Subscription Offer Name", "Promotional Offer ID", "Subscription Offer Type",
	"Subscription Offer Duration", "Marketing Opt-In Duration", "Customer Price", "Customer Currency",
	"Developer Proceeds", "Proceeds Currency", "Preserved Pricing", "Proceeds Reason", "Client", "Device", "Country",
	"Subscriber ID", "Subscriber ID Reset", "Refund", "Purchase Date", "Units",
}

// subscribers yields the subscribers that came until a day, product by product and
// territory by territory; after each territory it calls done, which says whether to go on.
func (m *Market) subscribers(to Day, each func(l *life), done func() bool) {
	for p := range m.Products {
		if p.Kind != Subscription {
			continue
		}
		for i := range m.Territories {
			m.lives(p, &m.Territories[i], to, each)
			if !done() {
				return
			}
		}
	}
}

// about are the cells that name a subscription.
func (p *Product) about() []string {
	return []string{p.AppName, p.AppID, p.Title, p.ID, p.GroupID, p.Period.String()}
}

// cells of an offer.
func (o *Offer) cells() (name, id, mode, duration string) {
	if o == nil {
		return blank, blank, blank, blank
	}
	return or(o.Name, blank), or(o.ID, blank), o.Mode.String(), o.Duration.String()
}

// standing is where subscribers stand alike at the end of a day.
type standing struct {
	price    Price
	proceeds Money
	reason   string
	device   string
	state    string
	offer    *Offer
	status   status
}

// column is the place of a standing among the counts, which begin with the standard price.
func (x standing) column() int {
	switch {
	case x.status == retrying:
		return 11
	case x.offer == nil:
		return 0
	case x.offer.Kind == WinBack:
		return 14 + int(x.offer.Mode)
	}
	return 1 + 3*int(x.offer.Kind) + int(x.offer.Mode)
}

// Subscriptions writes how the subscribers stand at the end of a day.
func (m *Market) Subscriptions(w io.Writer, on Day) error {
	t := newTable(w)
	t.row(SubscriptionColumns...)
	counts, order := map[standing]int{}, []standing{}
	var of *life
	m.subscribers(on, func(l *life) {
		of = l
		x, ok := l.standing(on)
		if !ok {
			return
		}
		if counts[x] == 0 {
			order = append(order, x)
		}
		counts[x]++
	}, func() bool {
		for _, x := range order {
			t.row(x.row(of, counts[x])...)
		}
		clear(counts)
		order = order[:0]
		return t.err == nil
	})
	return t.end()
}

// standing is how a subscriber stands at the end of a day; false for one who is gone.
func (l *life) standing(on Day) (x standing, ok bool) {
	l.walk(on, func(e *event) {
		ok = e.status != gone
		x = standing{e.price, e.proceeds, e.reason, l.device, l.state, e.offer, e.status}
	})
	if x.status != standard {
		x.reason = ""
	}
	return x, ok
}

// row is the line of a standing; its product and territory are those of a subscriber.
func (x standing) row(of *life, n int) []string {
	name, id, _, _ := x.offer.cells()
	cells := append(of.p.about(), name, id, x.price.Customer.String(), x.price.Currency, x.proceeds.String(),
		x.price.Currency, yes(x.price.Kept), or(x.reason, blank), blank, x.device, x.state, of.t.Code)
	const columns = 17
	numbers := slices.Repeat([]string{"0"}, columns)
	numbers[x.column()] = itoa(n)
	if x.status != retrying {
		numbers[13] = itoa(n) // subscribers
	}
	return append(cells, numbers...)
}

// happened are events that are alike.
type happened struct {
	name, reason, device, state string
	offer                       *Offer
	kept                        bool
	proceeds                    string
	paid, before, canceled      int
	start                       Day
}

// Events writes what happened to subscribers on a day.
func (m *Market) Events(w io.Writer, on Day) error {
	t := newTable(w)
	t.row(EventColumns...)
	counts, order := map[happened]int{}, []happened{}
	var of *life
	m.subscribers(on, func(l *life) {
		of = l
		l.walk(on, func(e *event) {
			if e.day != on {
				return
			}
			x := happened{name: e.name, device: l.device, state: l.state, offer: e.offer, kept: e.price.Kept,
				paid: e.paid, canceled: e.canceled, start: l.from}
			if e.charged {
				x.proceeds = e.reason
			} else {
				x.reason, x.before = e.reason, int(e.day-l.loyal)
			}
			if counts[x] == 0 {
				order = append(order, x)
			}
			counts[x]++
		})
	}, func() bool {
		for _, x := range order {
			t.row(x.row(of, on, counts[x])...)
		}
		clear(counts)
		order = order[:0]
		return t.err == nil
	})
	return t.end()
}

func (x happened) row(of *life, on Day, n int) []string {
	name, id, mode, duration := x.offer.cells()
	before, reason, canceled := blank, blank, blank
	if x.reason != "" {
		before, reason = itoa(x.before), x.reason
	}
	if x.canceled > 0 {
		canceled = itoa(x.canceled)
	}
	cells := append([]string{on.String(), x.name}, of.p.about()...)
	return append(cells, mode, duration, blank, blank, yes(x.kept), or(x.proceeds, blank), name, id, itoa(x.paid),
		x.start.String(), x.device, blank, x.state, of.t.Code, blank, blank, before, reason, canceled, itoa(n), blank)
}

// Subscribers writes each payment of a subscriber on a day, one line each.
func (m *Market) Subscribers(w io.Writer, on Day) error {
	t := newTable(w)
	t.row(SubscriberColumns...)
	m.subscribers(on, func(l *life) {
		l.walk(on, func(e *event) {
			if e.day != on || !e.charged && e.name != Refund {
				return
			}
			name, id, mode, duration := e.offer.cells()
			price, bought, units := e.price.Customer, e.day, 1
			if e.name == Refund {
				price, bought, units = -price, e.bought, -1
			}
			cells := append([]string{on.String()}, l.p.about()...)
			t.row(append(cells, name, id, mode, duration, blank, price.String(), e.price.Currency, e.proceeds.String(),
				e.price.Currency, yes(e.price.Kept), or(e.reason, blank), blank, l.device, l.t.Code, l.id(), blank,
				yes(e.name == Refund), bought.String(), strconv.Itoa(units))...)
		})
	}, func() bool { return t.err == nil })
	return t.end()
}

// Active counts the subscribers at the end of a day who pay or try. It ends when on says
// no.
func (m *Market) Active(at Day, on func() bool) (n int) {
	m.subscribers(at, func(l *life) {
		if x, ok := l.standing(at); ok && x.status != retrying {
			n++
		}
	}, on)
	return n
}
