package command

import "strings"

// peerKey is the id of the key that the printed commands make for a peer.
const peerKey = "PEER000001"

// peers are ready settings for the clients of a sandbox. BASE is its URL, ISSUER that
// of its team, and KEY the id of a key that the first command makes.
const peers = `  page      BASE/
  acts      curl -s BASE/_sandbox/acts
  curl      CURL
  key       openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out AuthKey_KEY.p8
REGISTER  fastlane  printf '{"key_id": "KEY", "issuer_id": "ISSUER", "key": "%s", "in_house": false}' \
            "$(awk '{printf "%s\\n", $0}' AuthKey_KEY.p8)" > api_key.sandbox.json
            It has no setting for the host. Put this into the Fastfile:
            Spaceship::ConnectAPI::APIClient.class_eval { def hostname; "BASE/"; end }
  asc       It has no setting for the host: it can call nobody but Apple.
  gateway   printf "upstream: {base_url: 'BASE'}\nteams: [{name: sandbox, keys: [{id: KEY, issuer_id: %s, uri: '%s'}]}]\n" \
            ISSUER "file://$PWD/AuthKey_KEY.p8" > gateway.sandbox.yaml
`

// Lines of peers that depend on whether the sandbox checks tokens.
const (
	openCurl    = `curl -gs 'BASE/v1/apps?limit=2'`
	checkedCurl = `curl -gs -H "Authorization: Bearer $TOKEN" 'BASE/v1/apps?limit=2'
            It signs nothing: TOKEN is a JWT that a registered key has signed.`
	register = `            curl -s BASE/_sandbox/keys -d "{\"id\": \"KEY\", \"public_key\": \"$(
            openssl pkey -in AuthKey_KEY.p8 -pubout | awk '{printf "%s\\n", $0}')\"}"
`
)

// peerLines say how others are pointed to a sandbox, and where its page is.
func peerLines(base, issuer string, checked bool) string {
	curl, more := openCurl, ""
	if checked {
		curl, more = checkedCurl, register
	}
	text := strings.NewReplacer("CURL", curl, "REGISTER", more).Replace(peers)
	return strings.NewReplacer("BASE", base, "ISSUER", issuer, "KEY", peerKey).Replace(text)
}
