# The doors of the house. `make help` lists them.
SHELL   := /bin/bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X pinfold.dev/pinfold/internal/platform.version=$(VERSION)
GO      := go
PKGS    := ./...
NOT_RUN := -gcflags 'all=-N -l -dwarf=false'

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the doors
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/pinfold
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -pgo cmd/pinfold/invocations.pprof -ldflags '$(LDFLAGS)' -o bin/pinfold ./cmd/pinfold

.PHONY: up
up: build ## build, start Pinfold, deploy examples/hello, stay up until Ctrl-C
	@exec bin/pinfold up --deploy examples/hello

.PHONY: setup
setup: ## install what the tests need, if it is missing
	@test/setup.sh

# Where nothing is compiled yet that is most of the work. So vet, staticcheck and the
# tests have the same parts compiled, once: those with the race detector. What waits
# most is tested first, and more packages at a time than there are processors.
.PHONY: test
test: setup ## run every test, with the race detector
	$(GO) test -race -vet=off -p 3 -timeout 15m ./test/... $(PKGS)

.PHONY: lint
lint: setup ## check form, vet, staticcheck, cross-builds and generated files
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet -race $(PKGS)
	CGO_ENABLED=0 $(GO) build -modfile=tools/go.mod -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	GOFLAGS="$$($(GO) env GOFLAGS) -race" bin/staticcheck $(PKGS)
	$(GO) mod verify >/dev/null
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build $(NOT_RUN) -o /dev/null ./cmd/pinfold
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) build $(NOT_RUN) -o /dev/null ./cmd/pinfold

TORTURE ?= 20
.PHONY: torture
torture: ## kill servers TORTURE times as often as test does (default 20), deploy under longer load
	PINFOLD_TORTURE=$(TORTURE) PINFOLD_KILLS=$$((50*$(TORTURE))) $(GO) test -race -count=1 -p 1 -timeout 2h -v ./test/crash ./test/instant

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## run every fuzzer for FUZZTIME (default 30s) each
	@set -e; for pkg in $$($(GO) list $(PKGS)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

BENCH ?=
.PHONY: bench
bench: build ## measure against the machine's limits and others (long), write bench/RESULTS.md
	$(GO) build -o bin/bench ./bench
	bin/bench -pinfold bin/pinfold $(or $(BENCH),-out bench/RESULTS.md)

.PHONY: profile
profile: build ## record what the server does under load, for the compiler to optimise
	$(GO) build -o bin/bench ./bench
	rm -rf bin/profile && mkdir bin/profile
	bin/bench -pinfold bin/pinfold -only warm,cold -rounds 2 -cold 20 -profile bin/profile
	$(GO) tool pprof -proto bin/profile/*.pprof >cmd/pinfold/invocations.pprof

SOAK ?= 20m
.PHONY: soak
soak: build ## load a server with everything at once for SOAK (default 20m): nothing may leak
	$(GO) run ./bench/soak -pinfold bin/pinfold -for $(SOAK)

.PHONY: generate
generate: ## write generated code and docs again
	$(GO) generate $(PKGS)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
