# `make` builds, tests and lints. `make help` lists everything.
SHELL   := /bin/bash
BUF     := $(CURDIR)/bin/buf
SPEC    ?= $(firstword $(wildcard ../shared/spec/4.5.1.json $(HOME)/.cache/asc-openapi/openapi.oas.json))

.PHONY: all help build test lint generate gen protos check check-gen breaking run bench fuzz conformance upgrade attack rehearse clients realvault fleet report helm helm-docs release release-check examples clean setup

all: build test lint ## Build, test and lint

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -buildid= -X github.com/asc-gateway/asc-gateway/internal/command.stamped=$(VERSION)

build: ## Build bin/gateway, bin/ascspec and bin/gateway-full, which has the cloud custodies too
	go build -trimpath -o bin/ ./cmd/...
	cd full && go build -trimpath -o ../bin/gateway-full ./cmd/gateway

PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
EPOCH     ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
DIST      ?= $(CURDIR)/dist

release: ## Build archives of every platform, an image and SHA256SUMS in dist/; needs no container engine
	@rm -rf $(DIST) && mkdir -p $(DIST)/build
	@for t in $(PLATFORMS); do o=$(DIST)/build/$${t/\//-}; echo "$$t"; \
	  CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o $$o/ ./cmd/gateway || exit 1; done
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o $(DIST)/host ./cmd/gateway
	@for o in $(DIST)/build/*; do $(DIST)/host version --sbom --of $$o/gateway* > $$o/sbom.json || exit 1; done
	cd deploy/release && go run . --version "$(VERSION)" --time "$(EPOCH)" --bin $(DIST)/build --out $(DIST)
	@rm -rf $(DIST)/build $(DIST)/host

release-check: ## Build the release twice, in two folders: both must have the same checksums
	$(MAKE) release
	@rm -rf .cache/again && mkdir -p .cache/again && git archive HEAD | tar -x -C .cache/again
	$(MAKE) -C .cache/again release VERSION="$(VERSION)" EPOCH="$(EPOCH)" DIST="$(CURDIR)/.cache/again/dist"
	cmp dist/SHA256SUMS .cache/again/dist/SHA256SUMS && rm -rf .cache/again

examples: ## Run the examples in Go, Node and Python against a sandbox
	./.ci/examples

run: ## Run the gateway against its own sandbox
	go run ./cmd/gateway serve --sandbox

setup: ## Install what the tests need, where it is missing (apt-get; on macOS it says what to install)
	@./.ci/setup

test: bin/buf ## Run all tests whose programs are there, race-enabled; lists what it leaves out
	@./.ci/test

bin/buf bin/protoc-gen-go bin/protoc-gen-go-grpc bin/staticcheck bin/govulncheck &: tools/go.mod tools/go.sum
	cd tools && go build -o ../bin/ tool

gen: bin/buf protos ## Generate gen/ from proto/
	PATH="$(CURDIR)/bin:$$PATH" $(BUF) generate

protos: ## Print google/api, google/longrunning and buf/validate protos from the Go modules
	go run ./cmd/ascspec protodeps --out .cache/proto

generate: ## Generate proto/, spec/asc.lock.yaml and the sandbox's facts from Apple's document, then gen/
	go run ./cmd/ascspec generate --spec "$(SPEC)"
	$(MAKE) gen

lint: bin/buf bin/staticcheck protos ## gofmt, go vet, staticcheck, buf lint, marks of the documents' commands
	./.ci/readme --check
	@test -z "$$(gofmt -l cmd internal full client sandbox examples deploy)" || { gofmt -l cmd internal full client sandbox examples deploy; exit 1; }
	go vet ./...
	bin/staticcheck ./internal/... ./cmd/... ./client/... ./sandbox/... ./examples/...
	cd full && go vet ./... && ../bin/staticcheck ./...
	cd deploy/helm/test && go vet ./... && ../../../bin/staticcheck ./...
	cd internal/edge/web/browsertest && go vet ./... && ../../../../bin/staticcheck ./...
	cd deploy/release && go vet ./... && ../../bin/staticcheck ./...
	$(BUF) lint

check: lint breaking check-gen ## Everything that must hold before a commit lands
	go test ./internal/importrule
	@if [ -n "$(SPEC)" ]; then go run ./cmd/ascspec generate --check --spec "$(SPEC)"; else echo "no document of Apple's here: proto/ is not compared with it"; fi
	@out=$$(bin/govulncheck ./cmd/gateway 2>&1) && echo "govulncheck: nothing found" || { \
	  if grep -q 'fetching vulnerabilities' <<<"$$out"; then echo "govulncheck: the vulnerability database cannot be reached"; else echo "$$out"; exit 1; fi; }

check-gen: gen ## gen/ is what proto/ makes
	@test -z "$$(git status --porcelain gen proto)" || { git status --short gen proto | head; echo "generated code is not up to date"; exit 1; }

breaking: bin/buf protos ## buf breaking (FILE) against the last commit on main
	@if git rev-parse -q --verify HEAD~1 >/dev/null && git cat-file -e HEAD~1:buf.yaml 2>/dev/null; then ./.ci/breaking HEAD~1; else echo "nothing to compare with yet"; fi

upgrade: bin/buf protos ## Upgrade to Apple's newest document, or to SPEC=FILE: says what a person must decide, then does the rest
	@if [ "$(origin SPEC)" = file ]; then go run ./cmd/ascspec fetch --refresh && go run ./cmd/ascspec upgrade $(ACCEPT); \
	  else go run ./cmd/ascspec upgrade $(ACCEPT) "$(SPEC)"; fi

rehearse: bin/buf protos ## Upgrade 4.3 → 4.4 → 4.4.1 → 4.5.1 with one lock; buf breaking at every step
	ASC_SPECS="$(dir $(SPEC))" go test -count=1 -v -run TestUpgradeRehearsal ./internal/apispec

conformance: ## Every operation over gRPC and REST, judged by a third-party OpenAPI validator: make conformance SPEC=FILE
	ASC_SPEC="$(abspath $(SPEC))" go test -count=1 -timeout 30m -tags conformance -v ./internal/conformance ./sandbox

clients: ## Third-party clients from npm: one of Apple's API against the passthrough, one generated from /openapi, one of tus; protos in Java
	@command -v npm >/dev/null || { apt-get update -q && apt-get install -qy nodejs npm; }
	@command -v protoc >/dev/null && [ -f /usr/share/java/protobuf.jar ] && [ -f /usr/include/google/protobuf/timestamp.proto ] && \
	  command -v javac >/dev/null || { apt-get update -q && \
	  apt-get install -qy protobuf-compiler libprotobuf-dev libprotobuf-java default-jdk-headless; }
	cd internal/conformance/node && npm ci --no-audit --no-fund
	cd internal/conformance/typescript && npm ci --no-audit --no-fund
	cd internal/conformance/tus && npm ci --no-audit --no-fund
	go test -count=1 -tags clients -run 'TestNodeClient|TestTypeScriptClient' -v ./internal/conformance
	go test -count=1 -tags clients -run 'TestTusClient' -v ./internal/gateway
	go test -count=1 -tags clients -run 'TestLanguagesOfProtoc|TestJavaOfAnArea' -v ./internal/protofiles

fleet: ## Gateway processes on one Redis, and uploads of 1 GiB, through what can go wrong; 8 minutes
	@./.ci/setup redis-server initdb curl
	go test -count=1 -timeout 20m -tags fleet -run 'TestFleet|TestRollingRestart|TestFlood|TestJobs|TestMadeBuild|TestUpload|TestReports' -v ./internal/conformance

report: ## Simulate the quota and draw docs/quota.svg
	go test -count=1 -run TestReport -v ./internal/quota -report docs/quota.svg

helm: ## Lint, render and test the Helm chart
	@./.ci/setup promtool
	cd deploy/helm/test && go test -count=1 -v ./...

helm-docs: ## Make the chart's README, its schema and the snapshot anew
	GOBIN=$(CURDIR)/bin go install github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2
	bin/helm-docs --chart-search-root deploy/helm --skip-version-footer
	cd deploy/helm/test && go test -run 'Schema|Snapshot' -update .

attack: ## Attack the program for ATTACK_TIME (1m) each: internal/attack, SECURITY.md
	@./.ci/setup gcc redis-server openssl
	ATTACK_TIME=$${ATTACK_TIME:-1m} go test -count=1 -timeout 60m -v ./internal/attack
	ATTACK_RACE=1 go test -race -count=1 -timeout 20m -v -run 'Hammer|ItEnds|StreamsEnd|Tokens|OnlyOwn|Watches|Unfinished' ./internal/attack

realvault: ## The contract of custodies, judged by the transit engine of HashiCorp Vault itself
	cd internal/keys/vaulttest/real && go build -o $(CURDIR)/bin/realvault .
	@mkdir -p .cache; : > .cache/realvault; bin/realvault 127.0.0.1:0 > .cache/realvault & pid=$$!; trap "kill $$pid" EXIT; \
	for i in $$(seq 50); do [ -s .cache/realvault ] && break; sleep 0.1; done; \
	ASC_TEST_VAULT_ADDR=$$(cat .cache/realvault) ASC_TEST_VAULT_TOKEN=root-token go test -count=1 -run TestRealVault -v ./internal/keys/vaultkey

bench: ## The ratios of the goal table
	go test -run '^$$' -bench . -benchmem ./internal/gateway ./internal/jsonapi ./internal/keys ./internal/asc ./internal/access/... ./internal/audit ./internal/cache ./internal/quota/...

fuzz: ## Each fuzz target for FUZZTIME (60s)
	@for t in $$(grep -rhoE 'func (Fuzz[A-Za-z]+)' --include='*_test.go' internal sandbox client | awk '{print $$2}' | sort); do \
	  p=$$(grep -rlE "func $$t\(" --include='*_test.go' internal sandbox client | xargs dirname); \
	  echo "== $$t in $$p"; go test -run '^$$' -fuzz "^$$t$$" -fuzztime $${FUZZTIME:-60s} -fuzzminimizetime 100x ./$$p || exit 1; done

clean: ## Remove what was built
	rm -rf bin dist .cache
