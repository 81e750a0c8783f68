package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/asc-gateway/asc-gateway/internal/keys"
)

// maxNamedBytes bounds the files that [Config.Inspect] looks at.
const maxNamedBytes = 1 << 20

var (
	keyIDs    = regexp.MustCompile(`^[A-Za-z0-9]{2,40}$`)
	issuerIDs = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// Inspect finds what Apple or a start would refuse and the file alone does not
// show: ids that cannot be Apple's, files that cannot be read, folders in which
// nothing can be made. Each error begins with the setting.
func (c *Config) Inspect() (errs []error) {
	for i, t := range c.Teams {
		for j, k := range t.Keys {
			at := fmt.Sprintf("teams[%d].keys[%d]", i, j)
			if !keyIDs.MatchString(k.ID) {
				errs = append(errs, fmt.Errorf("%s.id: %q is no key id of Apple's, such as 2X9R4HXF34", at, clip(k.ID)))
			}
			if k.IssuerID != "" && !issuerIDs.MatchString(k.IssuerID) && k.State != string(keys.Retired) {
				errs = append(errs, fmt.Errorf("%s.issuer_id: %q is no UUID: App Store Connect shows it above the keys",
					at, clip(k.IssuerID)))
			}
		}
	}
	read := map[string]string{"tls.cert_file": c.TLS.CertFile, "tls.key_file": c.TLS.KeyFile,
		"tls.client_ca_file": c.TLS.ClientCAFile, "policy.file": c.Policy.File}
	for i, s := range c.Authn.Issuers {
		read[fmt.Sprintf("authn.oidc[%d].ca_file", i)] = s.CAFile
		read[fmt.Sprintf("authn.oidc[%d].token_file", i)] = s.TokenFile
	}
	for i, t := range c.Authn.Tokens {
		read[fmt.Sprintf("authn.tokens[%d].file", i)] = t.File
	}
	if r := c.Quota.Redis; r != nil {
		read["quota.redis.password_file"], read["quota.redis.ca_file"] = r.PasswordFile, r.CAFile
	}
	if v := c.Vault; v != nil {
		read["vault.ca_file"], read["vault.auth.token_file"] = v.CAFile, v.Auth.TokenFile
		read["vault.auth.role_id_file"], read["vault.auth.secret_id_file"] = v.Auth.RoleIDFile, v.Auth.SecretIDFile
		read["vault.auth.jwt_file"] = v.Auth.JWTFile
	}
	for setting, name := range read {
		if name == "" {
			continue
		}
		if _, err := files.Read(name, maxNamedBytes); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s %s", setting, name, why(err)))
		}
	}
	for setting, name := range map[string]string{"audit.path": c.Audit.Path, "secrets.file": c.Secrets.File} {
		if name == "" || name == "-" {
			continue
		}
		if err := makeable(filepath.Dir(name)); err != nil {
			errs = append(errs, fmt.Errorf("%s: no file can be made in %s: %s", setting, filepath.Dir(name), why(err)))
		}
	}
	return errs
}

// makeable tries whether a file can be made in a folder.
func makeable(dir string) error {
	f, err := os.CreateTemp(dir, ".config-check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// why says in plain words why a file or folder is of no use.
func why(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "does not exist"
	case errors.Is(err, os.ErrPermission):
		return "may not be read or written by this user"
	case errors.Is(err, files.ErrNotRegular):
		return "is no regular file"
	case errors.Is(err, files.ErrTooLarge):
		return "is too large"
	}
	return "cannot be used"
}
