package vaultkey

import (
	"errors"
	"net/http"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/hashicorp/vault/api"
)

// away says whether an error means that Vault is down, sealed, overloaded or not
// to be reached: a login or a key that is wrong is another matter.
func away(err error) bool {
	var refused *api.ResponseError
	if errors.As(err, &refused) {
		return refused.StatusCode >= http.StatusInternalServerError || refused.StatusCode == http.StatusTooManyRequests
	}
	return keys.Outage(err)
}
