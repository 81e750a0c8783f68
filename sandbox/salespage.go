package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"

	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

//go:embed sales.html
var salesFiles embed.FS

// Sizes of the picture, and how much the page tells.
const (
	pictureDays   = 30
	pictureWidth  = 720.0
	pictureHeight = 240.0
	pictureFoot   = 20.0 // for the dates
	mostRows      = 20   // of each table
)

// salesView is what the page of sales shows.
type salesView struct {
	Days                        int
	From, To                    sales.Day
	Volume                      float64
	Units, Refunds, Subscribers int
	Width, Height, Base         float64
	Most                        int // units of the best day
	Bars                        []bar
	Territories, Products       []soldRow
}

// bar is a part of a day's column.
type bar struct {
	X, Y, W, H   float64
	Class, Title string
}

// soldRow is a territory or a product.
type soldRow struct {
	Name, SKU string
	Units     int
	Proceeds  string // with its currency
	Percent   int
	share     sales.Money
}

// barClasses colour what is sold: apps, purchases, subscriptions.
var barClasses = [...]string{"good", "warn", "bad"}

// barOf is the place of a product's kind in a column.
func barOf(p *sales.Product) int {
	switch p.Kind {
	case sales.App:
		return 0
	case sales.Subscription:
		return 2
	}
	return 1
}

// salesView adds up the last days. The sandbox is not locked.
func (s *Sandbox) salesView(ctx context.Context) salesView {
	s.mu.Lock()
	m := s.market(true)
	to := newestReport(s.clock.now(s.cfg.Now()))
	s.mu.Unlock()
	v := salesView{Days: pictureDays, From: to - pictureDays + 1, To: to, Volume: m.Volume,
		Width: pictureWidth, Height: pictureHeight, Base: pictureHeight - pictureFoot}
	var byDay [pictureDays][len(barClasses)]int
	territories, products := map[string]*soldRow{}, map[string]*soldRow{}
	m.Paid(sales.Span{From: v.From, To: to}, func(l sales.Line, units int) bool {
		if l.Refund {
			v.Refunds += units
			units = -units
		} else {
			v.Units += units
			byDay[l.Day-v.From][barOf(l.Product)] += units
		}
		sum(territories, l.Territory.Code+l.Currency, soldRow{Name: l.Territory.Code, Proceeds: l.Currency},
			units, l.Proceeds)
		sum(products, l.Product.ID, soldRow{Name: l.Product.Title, SKU: l.Product.SKU}, units, 0)
		return ctx.Err() == nil
	})
	v.Subscribers = m.Active(to, func() bool { return ctx.Err() == nil })
	v.Territories, v.Products = mostSold(territories), mostSold(products)
	v.draw(byDay)
	return v
}

// sum adds to the row of a key.
func sum(rows map[string]*soldRow, key string, row soldRow, units int, proceeds sales.Money) {
	if rows[key] == nil {
		rows[key] = &row
	}
	rows[key].Units += units
	rows[key].share += proceeds * sales.Money(units)
}

// mostSold are the rows with the most units, with their share of all.
func mostSold(rows map[string]*soldRow) (list []soldRow) {
	all := 0
	for _, r := range rows {
		all += r.Units
		r.Proceeds = r.share.String() + " " + r.Proceeds
		list = append(list, *r)
	}
	for i := range list {
		list[i].Percent = max(0, list[i].Units*100/max(1, all))
	}
	slices.SortFunc(list, func(a, b soldRow) int {
		return cmp.Or(b.Units-a.Units, cmp.Compare(a.Name, b.Name), cmp.Compare(a.SKU, b.SKU))
	})
	return list[:min(len(list), mostRows)]
}

// draw makes the columns of the days.
func (v *salesView) draw(byDay [pictureDays][len(barClasses)]int) {
	for _, parts := range byDay {
		v.Most = max(v.Most, parts[0]+parts[1]+parts[2])
	}
	const step = pictureWidth / pictureDays
	for i, parts := range byDay {
		y := v.Base
		for k, units := range parts {
			if units == 0 {
				continue
			}
			h := float64(units) / float64(v.Most) * (v.Base - pictureFoot)
			y -= h
			v.Bars = append(v.Bars, bar{X: float64(i)*step + 1, Y: y, W: step - 2, H: h, Class: barClasses[k],
				Title: fmt.Sprintf("%v: %d %s", v.From+sales.Day(i), units,
					[]string{"apps", "in-app purchases", "subscriptions"}[k])})
		}
	}
}

// salesPage serves the picture of what is sold.
func (s *Sandbox) salesPage() http.HandlerFunc {
	parsed := sync.OnceValues(func() (*template.Template, error) { return assets.Parse(salesFiles, "sales.html") })
	return onLoopback(func(w http.ResponseWriter, r *http.Request) {
		t, err := parsed()
		var b bytes.Buffer
		if err == nil {
			page := s.page("/sales")
			page.Title, page.Script, page.Content = "Sales", "", s.salesView(r.Context())
			err = t.ExecuteTemplate(&b, "frame.html", page)
		}
		sendPage(w, b.Bytes(), err)
	})
}
