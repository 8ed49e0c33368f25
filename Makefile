# `make` lists the targets.

GO          ?= go
FUZZTIME    ?= 5m
KILLS       ?= 1000
WINDOWS     ?= 1000
DISKS       ?= 5000
HISTORIES   ?= 10000
PATIENCE    ?= 2m
CHAOS       ?= .
NPM         ?= npm
BENCH       ?= .
FIGURES     ?=
BENCHARGS   ?=
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
SEEDS       ?= 15000
FAILOVERS   ?= 200
LOSSES      ?= 100000
DISKERRORS  ?= 5000
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

export GOFLAGS += -mod=readonly

.DEFAULT_GOAL := help
.PHONY: help build demo deps web types browser test redis failovers chaos powerloss sim lint bench functions fuzz cover clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: web ## build bin/taba, with the page if Node is there (NPM= for without)
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/taba ./cmd/taba

demo: build ## watch a simulated fleet's numbers move (ARGS='--for 20s')
	bin/taba demo $(ARGS)

web: # bundle the page into what is embedded; without Node a server has the plain page
ifeq ($(shell command -v $(or $(NPM),none)),)
	@echo "$(or $(NPM),Node) is not there: the server gets the plain page (make deps installs Node on Debian and Ubuntu)"
else
web: web/dist/index.html

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.package-lock.json web/build.mjs $(shell find web/src -type f)
	cd web && node build.mjs

types: web/node_modules/.package-lock.json # check the types of the page's source
	cd web && node_modules/.bin/tsc --noEmit
endif

browser: # what the tests of the page drive
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	  echo "the tests of the page drive chromium, which is not there: make deps installs it on Debian and Ubuntu"; exit 1; }
	@command -v $(or $(NPM),none) >/dev/null || { \
	  echo "the tests of the page need Node, to bundle it: make deps installs it on Debian and Ubuntu"; exit 1; }

test: redis browser web ## run all tests, with the race detector, then those without it: 15,000 simulated lives, 5,000 power losses
	$(GO) test -race -timeout 15m ./...
	$(MAKE) --no-print-directory sim
	$(MAKE) --no-print-directory powerloss LOSSES=5000 DISKERRORS=200

deps: ## install what the tests need and is missing (Debian, Ubuntu)
	.ci/deps

redis: # what the tests of stores in Redis start
	@command -v redis-server valkey-server >/dev/null || { \
	  echo "the tests start redis-server or valkey-server, and neither is there: make deps installs one on Debian and Ubuntu"; exit 1; }

failovers: redis ## let Redis fail over under load (FAILOVERS=200)
	$(GO) test -race -count 1 -timeout 24h -v -run 'Test(Lossy|Cluster)?Failover$$' ./internal/store/redisstore \
	  -failovers $(FAILOVERS) -lossyfailovers $$(( $(FAILOVERS) / 4 )) -elections $$(( $(FAILOVERS) / 10 + 1 ))

sim: ## simulate SEEDS (15000) lives of clusters, and find every bug put back
	$(GO) test -c -o bin/sim.test ./test/sim
	bin/sim.test -test.v -test.run 'TestLives|TestBugs' -spread -lives $(SEEDS)

powerloss: ## cut the power and let disks fail for long (LOSSES=100000 DISKERRORS=5000)
	$(GO) test -count=1 -timeout 24h -v -run 'TestPowerLoss$$|TestDiskErrors$$' ./internal/spool ./internal/store/pebblestore \
	  -losses $(LOSSES) -diskerrors $(DISKERRORS)

chaos: build ## mistreat real processes for hours (KILLS, WINDOWS, DISKS, HISTORIES, CHAOS=regexp, PATIENCE=10m if busy); Ctrl-C sums up
	TABA_CHAOS_KILLS=$(KILLS) TABA_CHAOS_WINDOWS=$(WINDOWS) TABA_CHAOS_DISKS=$(DISKS) TABA_CHAOS_HISTORIES=$(HISTORIES) TABA_CHAOS_PATIENCE=$(PATIENCE) \
	  $(GO) test -race -count 1 -timeout 24h -v -artifacts -outputdir $(CURDIR)/bin -run '$(CHAOS)' ./test/e2e
	bin/taba verify --chaos --for 5m

lint: $(if $(shell command -v $(or $(NPM),none)),types) ## check format, vet, staticcheck and the types of the page
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

bench: build ## measure what Taba is held to (FIGURES='v2 ack', BENCHARGS='--for 60s'); into bench/results
	bin/taba bench figures $(FIGURES) $(BENCHARGS) --write bench/results/latest.txt

functions: ## measure functions (BENCH=regexp)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

fuzz: ## run every fuzz target for FUZZTIME (5m)
	@for pkg in $$($(GO) list ./...); do \
	  list=$$($(GO) test -list '^Fuzz' $$pkg) || exit 1; \
	  for target in $$(echo "$$list" | grep '^Fuzz'); do \
	    echo "== $$pkg $$target for $(FUZZTIME)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

cover: ## show the test coverage of each function
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out

clean: ## remove what the other targets made
	rm -rf bin cover.out cover.html web/dist/assets web/dist/index.html web/node_modules
