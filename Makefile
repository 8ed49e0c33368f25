# `make` lists the targets.

GO          ?= go
FUZZTIME    ?= 5m
KILLS       ?= 1000
WINDOWS     ?= 1000
DISKS       ?= 5000
HISTORIES   ?= 10000
PATIENCE    ?= 2m
CHAOS       ?= .
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
.PHONY: help build demo deps test redis failovers chaos powerloss sim lint bench functions fuzz cover clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/taba
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/taba ./cmd/taba

demo: build ## watch a simulated fleet's numbers move (ARGS='--for 20s')
	bin/taba demo $(ARGS)

test: redis ## run all tests, with the race detector, then those without it: 15,000 simulated lives, 5,000 power losses
	$(GO) test -race -timeout 15m ./...
	$(MAKE) --no-print-directory sim
	$(MAKE) --no-print-directory powerloss LOSSES=5000 DISKERRORS=200

deps: ## install what the tests need and is missing (Debian, Ubuntu)
	.ci/deps

redis: # what the tests of stores in Redis start
	@for c in redis-server redis-sentinel; do command -v $$c >/dev/null || { \
	  echo "the tests start $$c, which is not there: make deps installs it on Debian and Ubuntu"; exit 1; }; done

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

lint: ## check format, vet and staticcheck
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
	rm -rf bin cover.out cover.html
