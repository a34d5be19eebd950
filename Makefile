# What a developer of leanfleet runs. Only test-deps needs more than Go, git and make. See docs/testing.md.
GO          ?= go
PKG         ?= ./...
BENCH       ?= .
CATALOG     ?= ../shared/catalog
TESTFLAGS   ?=
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
UNCOVERED   := ^github.com/leanfleet/leanfleet/(internal/devtools|examples|integration|bench)/|/generate$$

.PHONY: build demo test test-deps promises lint bench catalog cover

build: ## bin/leanfleet
	$(GO) build -trimpath -o bin/leanfleet ./cmd/leanfleet

demo: ## a simulated fleet, stored and measured
	$(GO) run ./cmd/leanfleet demo

test: ## all tests; writes out/test-report.json, out/junit.xml and out/coverage.out
	$(GO) run ./internal/devtools/testreport -out out -exclude '$(UNCOVERED)' -min-coverage 80 $(TESTFLAGS) $(PKG)

test-deps: ## the outside programs that some tests use; installs what is missing with apt-get
	sh internal/devtools/test-deps.sh

promises: ## holds docs/promises against out/test-report.json
	$(GO) run ./internal/devtools/promises

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted:" $$unformatted; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) -checks inherit,ST1000,ST1020,ST1021,ST1022 ./...

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

catalog: ## makes the embedded catalogue anew from the files in CATALOG
	$(GO) run ./internal/catalog/generate --from $(CATALOG) --out internal/catalog/catalog.bin

cover: test ## out/coverage.html
	$(GO) tool cover -html=out/coverage.out -o out/coverage.html
