package client

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func TestVerifyWebhook(t *testing.T) {
	const body, secret = "Hello, World!", "This is my secret"
	const digits = "7f062172b01cb00b53ca068614674a3d982a34062a0f5d37687d5e3377e54657"
	cmd := exec.Command("openssl", "dgst", "-sha256", "-hmac", secret)
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), digits) {
		t.Fatalf("openssl disagrees: %s %v", out, err)
	}
	for _, x := range []struct {
		name, header, body string
		secrets            []string
		valid              bool
	}{
		{"right", "hmacsha256=" + digits, body, []string{secret}, true},
		{"the older of two secrets", "hmacsha256=" + digits, body, []string{"newer", secret}, true},
		{"another secret", "hmacsha256=" + digits, body, []string{"newer"}, false},
		{"no secret", "hmacsha256=" + digits, body, nil, false},
		{"another body", "hmacsha256=" + digits, body + "\n", []string{secret}, false},
		{"no prefix", digits, body, []string{secret}, false},
		{"another prefix", "sha256=" + digits, body, []string{secret}, false},
		{"upper case", "hmacsha256=" + strings.ToUpper(digits), body, []string{secret}, false},
		{"cut", "hmacsha256=" + digits[:62], body, []string{secret}, false},
		{"empty", "", body, []string{secret}, false},
	} {
		if err := VerifyWebhook(x.header, []byte(x.body), x.secrets...); (err == nil) != x.valid || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if VerifyWebhook("hmacsha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", nil, "") == nil {
		t.Error("an empty secret verifies")
	}
}
