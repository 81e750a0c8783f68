package sandbox

import (
	"slices"
	"strings"
)

// territory is a country or region that has an App Store.
type territory struct {
	id       string // "USA"
	currency string // "USD"
	tax      int64  // that is in its prices, in hundredths of a percent
}

// leadingTerritories are the first of a new sandbox, so that the i-th of something
// belongs to a place that people know.
const leadingTerritories = "USA DEU JPN GBR FRA CAN AUS BRA IND CHN KOR MEX"

// otherTerritories are the rest of the 175. Apple: App Store territories.
const otherTerritories = "AFG AGO AIA ALB ARE ARG ARM ATG AUT AZE BEL BEN BFA BGR BHR BHS BIH BLR BLZ BMU BOL BRB " +
	"BRN BTN BWA CHE CHL CIV CMR COD COG COL CPV CRI CYM CYP CZE DMA DNK DOM DZA ECU EGY ESP EST FIN FJI FSM GAB " +
	"GEO GHA GMB GNB GRC GRD GTM GUY HKG HND HRV HUN IDN IRL IRQ ISL ISR ITA JAM JOR KAZ KEN KGZ KHM KNA KWT LAO " +
	"LBN LBR LBY LCA LKA LTU LUX LVA MAC MAR MDA MDG MDV MKD MLI MLT MMR MNE MNG MOZ MRT MSR MUS MWI MYS NAM NER " +
	"NGA NIC NLD NOR NPL NRU NZL OMN PAK PAN PER PHL PLW PNG POL PRT PRY QAT ROU RUS RWA SAU SEN SGP SLB SLE SLV " +
	"SRB STP SUR SVK SVN SWE SWZ SYC TCA TCD THA TJK TKM TON TTO TUN TUR TWN TZA UGA UKR URY UZB VCT VEN VGB VNM " +
	"VUT XKS YEM ZAF ZMB ZWE"

// territoryIDs are all, each of three letters, with a space between.
const (
	territoryIDs   = leadingTerritories + " " + otherTerritories
	territoryCount = (len(territoryIDs) + 1) / 4
)

// territoryAt is the id of the i-th territory.
func territoryAt(i int) string { return territoryIDs[4*i : 4*i+3] }

// euroTerritories are priced in euro.
const euroTerritories = "AUT BEL BGR BIH CYP DEU ESP EST FIN FRA GRC HRV IRL ITA LTU LUX LVA MLT MNE NLD PRT SRB SVK " +
	"SVN XKS"

// ownCurrencies are those of territories with a currency of their own. Those in none
// of the two lists are priced in US dollars.
var ownCurrencies = map[string]string{
	"ARE": "AED", "AUS": "AUD", "BRA": "BRL", "CAN": "CAD", "CHE": "CHF", "CHL": "CLP", "CHN": "CNY", "COL": "COP",
	"CZE": "CZK", "DNK": "DKK", "EGY": "EGP", "GBR": "GBP", "HKG": "HKD", "HUN": "HUF", "IDN": "IDR", "ISR": "ILS",
	"IND": "INR", "JPN": "JPY", "KOR": "KRW", "KAZ": "KZT", "MEX": "MXN", "MYS": "MYR", "NGA": "NGN", "NOR": "NOK",
	"NZL": "NZD", "PER": "PEN", "PHL": "PHP", "PAK": "PKR", "POL": "PLN", "QAT": "QAR", "ROU": "RON", "RUS": "RUB",
	"SAU": "SAR", "SWE": "SEK", "SGP": "SGD", "THA": "THB", "TUR": "TRY", "TWN": "TWD", "TZA": "TZS", "VNM": "VND",
	"ZAF": "ZAR",
}

// taxes are those that are in a territory's prices, in hundredths of a percent.
// Territories that are not named have none, or add it at the till.
var taxes = map[string]int64{
	"ARE": 500, "ARM": 2000, "AUS": 1000, "AUT": 2000, "BEL": 2100, "BGR": 2000, "BHR": 1000, "BHS": 1000, "BLR": 2000,
	"CHE": 810, "CHL": 1900, "CHN": 600, "CMR": 1925, "COL": 1900, "CYP": 1900, "CZE": 2100, "DEU": 1900, "DNK": 2500,
	"ESP": 2100, "EST": 2400, "FIN": 2550, "FRA": 2000, "GBR": 2000, "GEO": 1800, "GRC": 2400, "HRV": 2500, "HUN": 2700,
	"IDN": 1100, "IND": 1800, "IRL": 2300, "ISL": 2400, "ITA": 2200, "JPN": 1000, "KAZ": 1600, "KEN": 1600, "KOR": 1000,
	"LTU": 2100, "LUX": 1700, "LVA": 2100, "MDA": 2000, "MEX": 1600, "MLT": 1800, "MYS": 800, "NGA": 750, "NLD": 2100,
	"NOR": 2500, "NZL": 1500, "OMN": 500, "PER": 1800, "PHL": 1200, "POL": 2300, "PRT": 2300, "ROU": 2100, "RUS": 2000,
	"SAU": 1500, "SGP": 900, "SRB": 2000, "SVK": 2300, "SVN": 2200, "SWE": 2500, "THA": 700, "TUR": 2000, "TWN": 500,
	"TZA": 1800, "UGA": 1800, "UKR": 2000, "UZB": 1200, "VNM": 1000, "ZAF": 1500, "ZWE": 1500,
}

// allTerritories are the 175 that Apple sells in.
func allTerritories() (list []territory) {
	euro := strings.Fields(euroTerritories)
	for _, id := range strings.Fields(territoryIDs) {
		t := territory{id: id, currency: "USD", tax: taxes[id]}
		if own := ownCurrencies[id]; own != "" {
			t.currency = own
		} else if slices.Contains(euro, id) {
			t.currency = "EUR"
		}
		list = append(list, t)
	}
	return list
}
