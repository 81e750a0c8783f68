package sandbox

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/ca"
)

// certificates: issued by the sandbox's own authority from a signing request.
func certificates() map[string]behavior {
	return map[string]behavior{"certificates": {
		seed: each(
			cycle("certificateType", "DISTRIBUTION", "DEVELOPMENT", "IOS_DISTRIBUTION"),
			cycle("activated", true), cycle("platform", "IOS"),
			cycle("displayName", teamName),
			func(o *object, _ int) { delete(o.attrs, "certificateContent") },
		),
		allowed: certificateAllowed, created: certificateCreated, show: certificateShown,
		acts: map[string]act{"expire": {does: "the certificate has expired", do: certificateExpired}},
	}}
}

const (
	teamID   = "A1B2C3D4E5"
	teamName = "Example Inc."
)

// mostCertificates are how many certificates of a type a team may have at once.
// Apple: certificates overview; seen live.
var mostCertificates = map[string]int{
	"DISTRIBUTION": 3, "IOS_DISTRIBUTION": 3, "MAC_APP_DISTRIBUTION": 3, "MAC_INSTALLER_DISTRIBUTION": 3,
	"DEVELOPER_ID_APPLICATION": 5, "DEVELOPER_ID_APPLICATION_G2": 5, "DEVELOPER_ID_KEXT": 5,
}

// ownerOf names the relationship that a type of certificate must have.
var ownerOf = map[string]string{
	"PASS_TYPE_ID":                "passTypeId",
	"PASS_TYPE_ID_WITH_NFC":       "passTypeId",
	"APPLE_PAY":                   "merchantId",
	"APPLE_PAY_MERCHANT_IDENTITY": "merchantId",
}

func certificateAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	kind, have := o.text("certificateType"), 0
	var errs []apiError
	if _, err := ca.ReadRequest(o.text("csrContent")); err != nil {
		errs = append(
			errs,
			apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:   "There is a problem with the request entity",
				Detail:  "Invalid Certificate Signing Request",
				Pointer: "/data/attributes/csrContent",
			},
		)
	}
	if rel := ownerOf[kind]; rel != "" && len(o.rels[rel]) == 0 {
		errs = append(
			errs,
			apiError{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
				Title:   "The provided entity is missing a required relationship",
				Detail:  "A certificate of type " + kind + " needs a " + rel + ".",
				Pointer: "/data/relationships/" + rel,
			},
		)
	}
	for _, x := range c.s.store.all(o.typ) {
		if end, ok := parseTime(x.text("expirationDate")); x.text("certificateType") == kind &&
			(!ok || end.After(c.now)) {
			have++
		}
	}
	if most := mostCertificates[kind]; most > 0 && have >= most {
		errs = append(
			errs,
			apiError{
				Status: 409,
				Code:   "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:  "There is a problem with the request entity",
				Detail: "You already have a current " + certificateName(
					kind,
				) + " certificate or a pending certificate request.",
				Pointer: "/data/attributes/certificateType",
			},
		)
	}
	return errs
}

// certificateName is what a certificate's type is called in its subject.
func certificateName(kind string) string {
	switch kind {
	case "DISTRIBUTION":
		return "Apple Distribution"
	case "DEVELOPMENT":
		return "Apple Development"
	case "IOS_DISTRIBUTION":
		return "iPhone Distribution"
	case "IOS_DEVELOPMENT":
		return "iPhone Developer"
	}
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(kind, "_", " ")))
	for i, w := range words {
		if words[i] = strings.ToUpper(w[:1]) + w[1:]; w == "id" || w == "g2" || w == "nfc" {
			words[i] = strings.ToUpper(w)
		}
	}
	return strings.Join(words, " ")
}

func certificateCreated(c *call, o *object) {
	var public crypto.PublicKey
	if request, err := ca.ReadRequest(o.text("csrContent")); err == nil { // without rules it may be anything
		public = request.PublicKey
	}
	delete(o.attrs, "csrContent")
	o.attrs["activated"], o.attrs["displayName"] = true, teamName
	if strings.HasPrefix(o.text("certificateType"), "MAC") ||
		strings.HasPrefix(o.text("certificateType"), "DEVELOPER_ID") {
		o.attrs["platform"] = "MAC_OS"
	} else {
		o.attrs["platform"] = "IOS"
	}
	maps.Copy(o.attrs, c.certify(o, public))
}

// certify issues a certificate, and gives the attributes that show it.
func (c *call) certify(o *object, public crypto.PublicKey) map[string]any {
	name := certificateName(o.text("certificateType")) + ": " + teamName
	cert, err := c.s.authority().
		Issue(ca.Holder{CommonName: name + " (" + teamID + ")", Team: teamID, Organization: teamName}, public, c.now)
	if err != nil {
		panic("sandbox: a certificate cannot be made: " + err.Error()) // of a key that was read, or made just now
	}
	return map[string]any{"name": name, "serialNumber": fmt.Sprintf("%032X", cert.SerialNumber),
		"expirationDate": stamp(cert.NotAfter), "certificateContent": base64.StdEncoding.EncodeToString(cert.Raw)}
}

// certificateShown issues the certificates of a new sandbox when they are first
// read.
func certificateShown(c *call, o *object) map[string]any {
	if o.text("certificateContent") != "" {
		return nil
	}
	return c.s.once(o, func() map[string]any { return c.certify(o, nil) })
}

// certificateExpired ends a certificate now.
func certificateExpired(c *call, o *object, _ map[string]any) error {
	maps.Copy(o.attrs, certificateShown(c, o))
	o.attrs["expirationDate"] = stamp(c.now.Add(-time.Second))
	return nil
}

// once makes what a resource of a new sandbox shows when it is first read, and
// keeps it beside the world: a read changes nothing.
func (s *Sandbox) once(o *object, make func() map[string]any) map[string]any {
	at := o.typ + "/" + o.id
	if s.shown[at] == nil {
		s.shown[at] = make()
	}
	return s.shown[at]
}

// ended says whether a certificate has expired.
func (c *call) ended(certificate *object) bool {
	end, ok := parseTime(certificate.text("expirationDate"))
	return ok && !end.After(c.now)
}

// authority is made when it is first needed, once. It outlives resets.
func (s *Sandbox) authority() *ca.Authority {
	if s.issuer == nil {
		a, err := ca.New()
		if err != nil {
			panic("sandbox: no certificate authority: " + err.Error()) // the system has no random numbers
		}
		s.issuer = a
	}
	return s.issuer
}

// getCA answers with the certificate that verifies all others.
func (s *Sandbox) getCA(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	pem := s.authority().PEM()
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(pem) // a caller that went away needs no answer
}
