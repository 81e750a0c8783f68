package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// SignatureHeader is the header of a webhook notification that holds its
// signature.
const SignatureHeader = "X-Apple-Signature"

// ErrSignature says that a webhook notification was not signed with any of the
// secrets.
var ErrSignature = errors.New("the notification has no valid x-apple-signature")

// VerifyWebhook checks the x-apple-signature header of a notification from App
// Store Connect: "hmacsha256=" and 64 lower-case hex digits, the HMAC with SHA-256
// of the raw body. Give both secrets while one takes the place of the other. The
// notification has no time and no number of its own: remember data.id to notice
// one that is sent twice. Apple: configuring webhook notifications.
func VerifyWebhook(header string, body []byte, secrets ...string) error {
	digits, found := strings.CutPrefix(header, "hmacsha256=")
	given, err := hex.DecodeString(digits)
	if !found || err != nil || len(given) != sha256.Size || digits != strings.ToLower(digits) {
		return ErrSignature
	}
	valid := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body) // never fails
		valid = secret != "" && hmac.Equal(given, mac.Sum(nil)) || valid
	}
	if !valid {
		return ErrSignature
	}
	return nil
}
