.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-soak test-cluster test-renovate lint vulnerabilities bench bench-backfill bench-fleet bench-redis engine reference pictures lock release clean tools tools-lint tools-test tools-slow

# What is typed after `make` reaches a recipe as a variable of its environment.
export VERSION

install := sh dev/toolchain/python.sh dev/toolchain/install.py
bin := $(CURDIR)/.tools/venv/bin
# Tests wait as often as they compute: three at a time keep two cores busy.
pytest := "$(bin)/python" -m pytest --numprocesses 3 --dist worksteal

help: ## Show what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: tools ## Generate a service and migrate a real PostgreSQL, as its team would
	@"$(bin)/python" -m dev.demo

test: tools-test lint ## Run the linters, then the tests, in less than ten minutes: [ARGS='-m rules']
	@$(pytest) $(ARGS)

test-slow: tools-slow ## Run what else a release demands, in less than forty minutes: [ARGS='-m "slow and rules"']
	@$(pytest) -m slow $(ARGS)

test-soak: tools-slow ## Let chance decide by the hundred rounds, for hours
	@$(pytest) -m soak $(ARGS)

test-cluster: tools-test ## Run the Job under a real Kubernetes API server and Job controller
	@"$(bin)/python" -m pytest -m cluster $(ARGS)

test-renovate: tools-test ## Let the real Renovate propose updates of the template
	@"$(bin)/python" -m pytest -m renovate $(ARGS)

lint: tools-lint ## Run the linters on this repository itself
	@"$(bin)/ruff" check --quiet
	@"$(bin)/ruff" format --check --quiet
	@"$(bin)/mypy" --no-error-summary
	@PATH="$(bin):$$PATH" shellcheck .ci/run dev/toolchain/*.sh template/tools/migrate/*.sh
	@"$(bin)/yamllint" --strict *.yml .github .pre-commit-config.yaml .yamllint.yml
	@.tools/go/bin/actionlint -shellcheck "$$(PATH="$(bin):$$PATH" command -v shellcheck)" .github/workflows/*.yml
	@"$(bin)/zizmor" --quiet --offline --pedantic .github/workflows
	@"$(bin)/pymarkdown" scan --recurse *.md docs

govulncheck := PATH="$(bin):$$PATH" go tool -modfile="$(CURDIR)/dev/toolchain/govulncheck/go.mod" govulncheck ./...

vulnerabilities: tools-lint ## Look the engine's dependencies up in Go's vulnerability database, online
	@cd engine && $(govulncheck)

bench: tools-test ## Compare copying with Copier's floor, and migrating with plain goose
	@"$(bin)/python" -m dev.bench

bench-fleet: tools-test ## Ask two hundred services for their state and update them, against Copier alone
	@"$(bin)/python" -m dev.bench.fleet

bench-backfill: tools-test ## Measure a backfill beside an application that writes, on a quiet machine: [ROWS=5000000]
	@$(install) bench
	@"$(bin)/python" -m dev.bench.backfill

bench-redis: tools-test ## Measure the worker that keeps Redis in agreement, on a quiet machine: [EVENTS=100000]
	@"$(bin)/python" -m dev.bench.redis

reference: tools-lint ## Write the pages of docs/reference that are made from the sources
	@"$(bin)/python" -m dev.reference

pictures: tools-lint ## Draw and record the pictures of the documents
	@"$(bin)/python" -m dev.pictures

lock: tools-lint ## Lock the newest versions of the Python and npm packages, without download addresses
	@"$(bin)/python" -m dev.toolchain.lock

engine: tools-lint ## Seal the engine into the template: [VERSION=], the one of the release that it is for
	@"$(bin)/python" -m dev.seal "$$VERSION"

release: tools-lint ## Make the tip of main a release: VERSION=
	@"$(bin)/python" -m dev.release "$$VERSION"

clean: ## Remove what was installed into .tools
	rm -rf .tools

tools:
	@$(install) demo

tools-lint:
	@$(install) lint

tools-test:
	@$(install) test

tools-slow:
	@$(install) slow
