package sales

import "strings"

// codes are the territories of the App Store: three letters as in the API, then two as in
// the reports. Apple: App Store territories and ISO 3166; XKS is Apple's own.
var codes = strings.Fields(
	"AFGAF AGOAO AIAAI ALBAL AREAE ARGAR ARMAM ATGAG AUSAU AUTAT AZEAZ BELBE BENBJ BFABF BGRBG BHRBH BHSBS " +
		"BIHBA BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT BWABW CANCA CHECH CHLCL CHNCN CIVCI CMRCM CODCD " +
		"COGCG COLCO CPVCV CRICR CYMKY CYPCY CZECZ DEUDE DMADM DNKDK DOMDO DZADZ ECUEC EGYEG ESPES ESTEE FINFI " +
		"FJIFJ FRAFR FSMFM GABGA GBRGB GEOGE GHAGH GMBGM GNBGW GRCGR GRDGD GTMGT GUYGY HKGHK HNDHN HRVHR HUNHU " +
		"IDNID INDIN IRLIE IRQIQ ISLIS ISRIL ITAIT JAMJM JORJO JPNJP KAZKZ KENKE KGZKG KHMKH KNAKN KORKR KWTKW " +
		"LAOLA LBNLB LBRLR LBYLY LCALC LKALK LTULT LUXLU LVALV MACMO MARMA MDAMD MDGMG MDVMV MEXMX MKDMK MLIML " +
		"MLTMT MMRMM MNEME MNGMN MOZMZ MRTMR MSRMS MUSMU MWIMW MYSMY NAMNA NERNE NGANG NICNI NLDNL NORNO NPLNP " +
		"NRUNR NZLNZ OMNOM PAKPK PANPA PERPE PHLPH PLWPW PNGPG POLPL PRTPT PRYPY QATQA ROURO RUSRU RWARW SAUSA " +
		"SENSN SGPSG SLBSB SLESL SLVSV SRBRS STPST SURSR SVKSK SVNSI SWESE SWZSZ SYCSC TCATC TCDTD THATH TJKTJ " +
		"TKMTM TONTO TTOTT TUNTN TURTR TWNTW TZATZ UGAUG UKRUA URYUY USAUS UZBUZ VCTVC VENVE VGBVG VNMVN VUTVU " +
		"XKSXK YEMYE ZAFZA ZMBZM ZWEZW",
)

// large are the territories that buy most, with their share of all; the others have the
// rest together.
var large = map[string]float64{
	"USA": 0.34, "CHN": 0.12, "JPN": 0.1, "GBR": 0.06, "DEU": 0.045, "FRA": 0.035, "CAN": 0.035, "AUS": 0.025,
	"KOR": 0.03, "ITA": 0.02, "ESP": 0.018, "BRA": 0.018, "MEX": 0.014, "IND": 0.014, "NLD": 0.012, "TWN": 0.014,
	"CHE": 0.01, "SWE": 0.009, "RUS": 0.008, "TUR": 0.008, "SAU": 0.008, "HKG": 0.008, "POL": 0.006, "SGP": 0.006,
}

// elsewhere is the share of all other territories together.
const elsewhere = 0.033

// Parts of the world that financial reports put together. Apple: financial report
// regions and currencies.
const (
	latinAmerica = "AI AG AR BS BB BZ BM BO KY CR DM DO EC SV GD GT GY HN JM MS NI PA PY KN LC VC SR TT TC UY VE VG"
	pacificAsia  = "BT BN KH FJ LA MO MV FM MN MM NR NP PW PG SB LK TO VU"
)

// Countries makes territories of those in a list, by three letters and currency. One that
// is not known is left out.
func Countries(list [][2]string) (all []Territory) {
	two := make(map[string]string, len(codes))
	for _, c := range codes {
		two[c[:3]] = c[3:]
	}
	for _, x := range list {
		code := two[x[0]]
		if code == "" {
			continue
		}
		t := Territory{ID: x[0], Code: code, Currency: x[1], Region: region(code, x[1]), weight: large[x[0]]}
		if t.weight == 0 {
			t.weight = elsewhere / float64(len(codes)-len(large))
		}
		all = append(all, t)
	}
	return all
}

// region is that of the financial reports.
func region(code, currency string) string {
	switch {
	case Regions[code] != "" && Regions[code] == currency:
		return code
	case currency == "EUR":
		return "EU"
	case strings.Contains(latinAmerica, code):
		return "LL"
	case strings.Contains(pacificAsia, code):
		return "AP"
	}
	return "WW"
}
