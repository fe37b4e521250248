# Yett. `make` lists the goals. Everything works on a machine that has Go and make.
SHELL := /bin/sh
GO ?= go
BIN := bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The packages whose tests are about concurrency; the race detector costs several times the time.
RACE := ./proxy/... ./annotations/... ./controllers/...

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the goals
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/yett, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o $(BIN)/yett ./cmd/yett

.PHONY: run
run: build ## build, then run the demo: echo backends, example manifests, curl lines
	$(BIN)/yett demo

.PHONY: test
test: ## run all tests, also those against a real kube-apiserver (built once, into a cache)
	assets=$$(hack/localcluster/build) && export KUBEBUILDER_ASSETS=$$assets && \
	$(GO) test $$($(GO) list ./... | grep -v /e2e) && \
	$(GO) test -count=1 -p 1 ./e2e/... # one at a time: they measure; never cached: they build the binary themselves

.PHONY: e2e
e2e: ## as root: a whole cluster, yett in it by its chart, and everything that moves while requests come; prints a table
	e2e/rollout/run full

.PHONY: delivery
delivery: ## canaries by the real Argo Rollouts and Flagger, which are built once, into a cache
	assets=$$(hack/localcluster/build) && YETT_E2E_CLIENTS=build KUBEBUILDER_ASSETS=$$assets $(GO) test -count=1 -timeout 40m -v ./e2e/delivery

.PHONY: chart
chart: ## lint the Helm chart, render it, and test what comes out (hack/chart is a module of its own)
	cd hack/chart && $(GO) vet ./... && $(GO) test ./...

.PHONY: image
image: build ## build the image IMAGE (yett:dev) with docker; FROM=scratch needs no registry
	docker build -t $(or $(IMAGE),yett:dev) $(if $(FROM),--build-arg FROM=$(FROM)) .

.PHONY: race
race: ## run the tests of concurrent packages with the race detector
	assets=$$(hack/localcluster/build) && KUBEBUILDER_ASSETS=$$assets $(GO) test -race -short $(RACE)

.PHONY: bench
bench: ## run the benchmarks, the comparison with httputil.ReverseProxy included
	$(GO) test -run '^$$' -bench . -benchmem ./proxy/... ./annotations/... ./controllers/translate/... ./e2e

BENCHFLAGS ?=
.PHONY: bench-compare
bench-compare: build ## compare the cost of a request with nginx, HAProxy, Caddy and httputil.ReverseProxy; BENCHFLAGS=-h tells how
	$(GO) run ./hack/bench -yett $(BIN)/yett -out $(BIN)/bench $(BENCHFLAGS)

.PHONY: pgo
pgo: build ## profile Yett under load for the compiler, two minutes; writes cmd/yett/default.pgo, which every build uses
	$(GO) run ./hack/bench -yett $(BIN)/yett -out $(BIN)/bench -peers yett -cases small,10k,100k,post,tls,h2,grpc,grpcstream,websocket,filters,log \
		-rounds 1 -duration 9s -profiler-port 10245 -profile cmd/yett/default.pgo

.PHONY: bench-report
bench-report: build ## the whole comparison, 15 to 20 minutes on a quiet machine; writes docs/benchmarks.{md,svg,json}
	$(GO) run ./hack/bench -yett $(BIN)/yett -out $(BIN)/bench -docs docs -rounds 5 -duration 1s $(BENCHFLAGS)

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	@$(GO) list ./... | while read -r package; do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

.PHONY: fmt
fmt: ## format the code
	$(GO) fmt ./...

.PHONY: lint
lint: ## vet and staticcheck
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

.PHONY: generate
generate: ## write the generated files: the list of families, the reference pages, the README's table
	$(GO) run ./hack/genregistry
	$(GO) run ./hack/gendocs

.PHONY: check
check: ## format, lint, architecture, generated files up to date
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run make fmt" >&2; exit 1; }
	$(MAKE) lint
	$(GO) test -count=1 ./hack/arch
	$(GO) mod tidy -diff
	$(GO) run ./hack/genregistry -check
	$(GO) run ./hack/gendocs -check

.PHONY: clean
clean: ## remove what was built here
	rm -rf $(BIN) dist
