# Every verb of this repository. Each is a short script or a cargo command; nothing else is needed to work here.
.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-waf waf-conformance fuzz soak fmt clean-demo

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | while IFS='|' read -r verb what; do printf '  make %-12s %s\n' "$$verb" "$$what"; done

demo: ## build and run the gateway, two services and two tenants on port 8080 (PORT=8081 make demo)
	@deploy/demo/run.sh

test: ## formatting, lints, every test, the policies' own tests
	@deploy/test.sh

bench: ## compare with bare Pingora (see bench/README.md for ROUNDS=, SECONDS_PER_ROUND=, PROFILE=)
	@bench/run.sh

bench-waf: ## compare the inspection engine with libmodsecurity (RULES=crs/rules INSTRUCTIONS=1 make bench-waf)
	@bench/waf/run.sh

waf-conformance: ## run the Core Rule Set's own tests (needs CEDARGATE_TEST_DATA)
	@cargo test --locked -p cedargate-waf-conformance -- --nocapture

fuzz: ## one target under libFuzzer, or all of them for so long each (TARGET=head SECONDS=60 make fuzz)
	@fuzz/run.sh

soak: ## ten minutes of load, bad clients, dying upstreams and reloads (SECONDS=60 make soak)
	@e2e/soak.sh

fmt: ## format the code
	@cargo fmt --all

clean-demo: ## forget the demo's people, data and audit log
	@rm -rf var/demo
