package sales

// OfferKind is who can have an offer of a subscription.
type OfferKind int

// Kinds of offers.
const (
	Introductory OfferKind = iota
	Promotional
	OfferCode
	WinBack
)

// Mode is how an offer is paid.
type Mode int

// Modes of offers.
const (
	FreeTrial Mode = iota
	PayUpFront
	PayAsYouGo
)

// String is the mode in Apple's words.
func (m Mode) String() string { return [...]string{"Free Trial", "Pay Up Front", "Pay As You Go"}[m] }

// Offer is a price of a subscription for a time.
type Offer struct {
	Kind     OfferKind
	Mode     Mode
	Name     string // reference name
	ID       string // of a promotional offer, as the app names it
	Duration Period // of one period
	Periods  int    // how many, 1 unless it is paid as one goes
	// Price is what a period costs in a territory on a day; false where the offer is
	// not to be had. That of a free trial is 0.
	Price func(t *Territory, d Day) (Price, bool)
}

// end is the day on which an offer ends that began on another.
func (o *Offer) end(from Day) Day { return o.Duration.times(from, max(1, o.Periods)) }

// offered finds the first offer of a kind that can be had.
func (p *Product) offered(kind OfferKind, t *Territory, d Day) (*Offer, Price) {
	for i := range p.Offers {
		if o := &p.Offers[i]; o.Kind == kind {
			if price, ok := o.Price(t, d); ok {
				return o, price
			}
		}
	}
	return nil, Price{}
}
