package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/asc-gateway/asc-gateway/internal/files"
)

// maxContextsBytes bounds the file of contexts.
const maxContextsBytes = 1 << 20

// login is a gateway with a credential, as `gateway login` keeps it.
type login struct {
	Address    string `json:"address"`                // HOST:PORT of the gRPC face
	Plaintext  bool   `json:"plaintext,omitempty"`    // no TLS
	CAFile     string `json:"ca_file,omitempty"`      // PEM; "": the system's
	CertFile   string `json:"cert_file,omitempty"`    // client certificate, PEM
	KeyFile    string `json:"key_file,omitempty"`     // and its key
	Token      string `json:"token,omitempty"`        // or
	TokenFile  string `json:"token_file,omitempty"`   // read for each call, or
	IDTokenEnv string `json:"id_token_env,omitempty"` // name of a variable that holds an id-token
	Audience   string `json:"audience,omitempty"`     // of GitHub's id-tokens
	Team       string `json:"team,omitempty"`
}

// kept is the file of contexts.
type kept struct {
	Current  string           `json:"current"`
	Contexts map[string]login `json:"contexts"`
}

// contextsFile is where logins are kept.
func contextsFile(d Deps) (string, error) {
	dir, err := d.ConfigDir()
	if err != nil {
		return "", fmt.Errorf("the user's folder for configurations is not known: %w", err)
	}
	return filepath.Join(dir, "asc-gateway", "contexts.json"), nil
}

// readContexts reads the logins; none if there is no file.
func readContexts(d Deps) (*kept, error) {
	name, err := contextsFile(d)
	if err != nil {
		return nil, err
	}
	k := &kept{Contexts: map[string]login{}}
	info, b, err := files.ReadInfo(name, maxContextsBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return nil, err
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s holds tokens and can be read by others: chmod 600 it", name)
	}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("%s is damaged: remove it and log in again", name)
	}
	if k.Contexts == nil {
		k.Contexts = map[string]login{}
	}
	return k, nil
}

// write puts the logins into a new file that only the user can read, and then in
// place of the old one.
func (k *kept) write(d Deps) error {
	name, err := contextsFile(d)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(name, append(b, '\n'))
}
