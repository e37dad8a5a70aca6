# `make` lists the targets. Everything is built below target/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := target/control-plane
MODULE := tests/control-plane
OLDEST := target/oldest
DIST := target/dist
PROGRESS := tests/lab/progress.sh
OPERATOR := $(or $(CARGO_TARGET_DIR),target)/debug/auth0-user-operator
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release

# kubectl refuses to talk to itself without a version stamp; the module's go.mod is the one
# place that names the version.
KUBERNETES = $(shell awk '$$1 == "k8s.io/kubernetes" { print $$2 }' $(MODULE)/go.mod)
VERSION_PARTS = $(subst ., ,$(KUBERNETES:v%=%))
STAMP := k8s.io/component-base/version
# Neither debug information nor inlining: what is started here is built in 60 % of the time.
export GOFLAGS := $(GOFLAGS) -trimpath "-gcflags=all=-dwarf=false -l"
LDFLAGS = -s -w -X $(STAMP).gitVersion=$(KUBERNETES) \
	-X $(STAMP).gitMajor=$(word 1,$(VERSION_PARTS)) -X $(STAMP).gitMinor=$(word 2,$(VERSION_PARTS))

# Most tests wait for something most of the time. All that run at once share one API server.
export RUST_TEST_THREADS ?= 8

# The oldest versions that will do, from where they are declared.
RUST := $(shell awk -F '"' '/^rust-version/ { print $$2; exit }' Cargo.toml)
GO := $(shell awk '$$1 == "go" { print $$2 }' $(MODULE)/go.mod)

CONTROL_PLANE := etcd kubectl kube-apiserver
# With KUBEBUILDER_ASSETS, its programs are used.
PROGRAMS := $(BIN)/launcher $(if $(KUBEBUILDER_ASSETS),,$(addprefix $(BIN)/,$(CONTROL_PLANE)))
KUBECTL := $(or $(KUBEBUILDER_ASSETS),$(BIN))/kubectl
# The demo runs on what is there, or else on the oldest Kubernetes, which is built in three quarters of the newest one's time.
DEMO_ASSETS := $(or $(KUBEBUILDER_ASSETS),$(if $(wildcard $(BIN)/kube-apiserver),$(BIN),$(OLDEST)))
DEMO_PROGRAMS := $(BIN)/launcher $(if $(KUBEBUILDER_ASSETS),,$(addprefix $(DEMO_ASSETS)/,$(CONTROL_PLANE)))
DEMO := $(if $(KUBEBUILDER_ASSETS),,KUBEBUILDER_ASSETS="$(CURDIR)/$(DEMO_ASSETS)") $(dir $(OPERATOR))demo
JUDGES := $(addprefix target/gitops/,flux-judge argo-judge)
# What Argo CD and Flux say of the kinds that point them to a repository, and what Flux is built with.
FOREIGN := $(addprefix target/foreign-crds/,application.yaml kustomization.yaml kustomize-controller.mod)
CHECKERS := $(addprefix target/checkers/,actionlint cargo-deny helm kubeconform kube-score promtool prometheus-operator)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: what-demo-does demo-programs ## update a user of a stand-in for Auth0, on a real Kubernetes API server
	@$(DEMO) run --operator $(OPERATOR)

.PHONY: what-demo-does
what-demo-does:
	@echo "This builds the operator (4 minutes on two cores the first time) and, without KUBEBUILDER_ASSETS, etcd, kubectl and"
	@echo "kube-apiserver (4 minutes more), starts them here, updates a user of a stand-in for Auth0, prints what happened,"
	@echo "and stops everything (20 s)."

.PHONY: playground
playground: demo-programs ## the same set-up, which stays until Ctrl-C (ARGS=--no-operator: to start your own)
	@$(DEMO) playground --operator $(OPERATOR) $(ARGS)

# Both at once, because each has parts that keep one core busy only.
.PHONY: demo-programs operator-and-demo
demo-programs: tools
	@$(PROGRESS) "the control plane and the operator" $(MAKE) --no-print-directory \
		$(if $(filter -j%,$(MAKEFLAGS)),,--jobs=2) operator-and-demo $(DEMO_PROGRAMS)
operator-and-demo:
	@$(PROGRESS) "the operator and the demo" cargo build --quiet --locked -p auth0-user-operator -p lab --bins

.PHONY: test
test: control-plane judges checkers lint ## everything that has to pass before a commit
	cargo build --locked
	cargo test --locked --workspace

.PHONY: oldest
oldest: judges operator-and-demo $(BIN)/launcher $(addprefix $(OLDEST)/,$(CONTROL_PLANE)) ## test what is applied, and the demo, on the oldest supported Kubernetes
	KUBEBUILDER_ASSETS="$(CURDIR)/$(OLDEST)" $(dir $(OPERATOR))demo run --operator $(OPERATOR) >/dev/null
	KUBEBUILDER_ASSETS="$(CURDIR)/$(OLDEST)" cargo test --locked --test cluster -- apply::

.PHONY: unit
unit: tools ## the tests that need no control plane: rules, properties, the client, the stand-in
	cargo test --locked -p auth0-user-operator --lib --test architecture --test auth0_client --test chart_readme \
		--test crds --test dependencies --test diff --test export --test image --test plan --test release
	cargo test --locked -p auth0-sandbox

.PHONY: lint
lint: target/checkers/actionlint target/checkers/cargo-deny ## format, clippy, workflows, licences and crates
	cargo fmt --all --check
	target/checkers/actionlint -shellcheck= -pyflakes= .github/workflows/*.yaml examples/github/*.yaml
	target/checkers/cargo-deny --locked check --hide-inclusion-graph bans licenses sources
	cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: permissions
permissions: control-plane ## print which calls the shipped roles allow and refuse, asked of a real API server
	@cargo build --quiet --locked
	@cargo test --quiet --locked --test cluster -- --nocapture install::permissions::the_shipped_permissions

.PHONY: restricted
restricted: control-plane target/checkers/runc ## run the operator under its pod's restrictions (Linux, as root)
	cargo test --locked --test cluster -- --ignored --nocapture install::restricted::

# What the pages link to.
PAGES := README.md CHANGELOG.md CODE_OF_CONDUCT.md CONTRIBUTING.md LICENSE SECURITY.md SUPPORT.md Cargo.toml crds deploy docs \
	examples tests/auth0-sandbox/README.md tests/control-plane/go.mod tests/control-plane/oldest/go.mod

.PHONY: site
site: target/checkers/mdbook target/checkers/mdbook-mermaid ## build the pages as a site with search, into target/site/book
	@rm -rf target/site; mkdir -p target/site/src
	@tar cf - $(PAGES) | tar xf - -C target/site/src
	@cp site/book.toml site/site.css target/site; cp site/SUMMARY.md target/site/src
	@RUST_LOG=warn target/checkers/mdbook-mermaid install target/site
	@PATH="$(CURDIR)/target/checkers:$$PATH" target/checkers/mdbook build target/site
	@site/check.sh target/site/book

.PHONY: kind
kind: target/checkers/kind target/checkers/helm $(BIN)/kubectl ## update a user on a cluster of kind (needs Docker; IMAGE, else the Dockerfile's)
	[ -n "$(IMAGE)" ] || docker build --tag operator .
	tests/kind/run.sh $(or $(IMAGE),operator)

.PHONY: dist
dist: $(KUBECTL) target/checkers/helm ## write a release's files into target/dist (DIGEST: the image's)
	@rm -rf $(DIST); mkdir -p $(DIST)/image; cd $(DIST); kustomize() { $(abspath $(KUBECTL)) kustomize "$$@"; }; \
	ln -s $(CURDIR)/deploy/kustomize/base image; printf '%s\n' 'resources: [base]' > image/kustomization.yaml; \
	[ -z "$(DIGEST)" ] || printf '%s\n' 'images:' '  - name: ghcr.io/example/auth0-user-operator' \
		'    digest: $(DIGEST)' >> image/kustomization.yaml; \
	kustomize image > operator.yaml; rm -r image; \
	kustomize $(CURDIR)/deploy/kustomize/crds-and-namespace > crds-and-namespace.yaml; \
	{ cat crds-and-namespace.yaml; echo ---; cat operator.yaml; } > install.yaml; \
	kustomize $(CURDIR)/crds > crds.yaml; \
	$(CURDIR)/target/checkers/helm package $(CURDIR)/deploy/chart >/dev/null; \
	sha256sum * > SHA256SUMS; cat SHA256SUMS

.PHONY: bench
bench: operator-and-benchmarks ## measure cost, fairness, faults and memory, as tables (about an hour; BENCH names a part)
	@$(RELEASE)/bench --operator $(RELEASE)/auth0-user-operator $(BENCH)

.PHONY: operator-and-benchmarks
operator-and-benchmarks: control-plane
	@$(PROGRESS) "the operator and the benchmarks" \
		cargo build --quiet --locked --release -p auth0-user-operator -p bench --bins

.PHONY: dashboard
dashboard: operator-and-benchmarks target/dashboard/dashboard ## draw docs/dashboard.svg from the metrics of a run of five minutes
	@$(RELEASE)/bench --operator $(RELEASE)/auth0-user-operator dashboard
	@target/dashboard/dashboard draw target/dashboard/recorded deploy/monitoring/dashboard.json docs/dashboard.svg

target/dashboard/dashboard: $(wildcard tests/dashboard/*.go) tests/dashboard/go.mod tests/dashboard/go.sum | tools
	@mkdir -p $(@D); CGO_ENABLED=0 $(PROGRESS) $(@F) go -C tests/dashboard build -ldflags "-s -w" -o "$(CURDIR)/$@" .

.PHONY: crds
crds: tools ## write crds/*.yaml, docs/fields.md and the chart's README.md anew from what they describe
	UPDATE_CRDS=1 cargo test --quiet --locked --test crds --test chart_readme

.PHONY: control-plane
control-plane: tools $(PROGRAMS) ## build etcd, kube-apiserver, kubectl and the launcher

%/etcd: PACKAGE := go.etcd.io/etcd/server/v3
%/kubectl: PACKAGE := k8s.io/kubernetes/cmd/kubectl
%/kube-apiserver: PACKAGE := k8s.io/kubernetes/cmd/kube-apiserver
%/launcher: PACKAGE := .

$(addprefix $(BIN)/,$(CONTROL_PLANE)): $(MODULE)/go.mod $(MODULE)/go.sum Makefile
$(BIN)/launcher: $(wildcard $(MODULE)/*.go $(MODULE)/*.yaml) $(MODULE)/go.mod

$(OLDEST)/%: MODULE := tests/control-plane/oldest
$(addprefix $(OLDEST)/,$(CONTROL_PLANE)): tests/control-plane/oldest/go.mod tests/control-plane/oldest/go.sum Makefile

# One after the other even where make runs several jobs at once: they share most packages.
$(BIN)/etcd: | $(BIN)/kubectl
$(BIN)/kube-apiserver: | $(BIN)/etcd
$(OLDEST)/etcd: | $(OLDEST)/kubectl
$(OLDEST)/kube-apiserver: | $(OLDEST)/etcd

# The tools come first, too.
$(BIN)/launcher $(foreach folder,$(BIN) $(OLDEST),$(addprefix $(folder)/,$(CONTROL_PLANE))): | tools
	@mkdir -p $(@D); CGO_ENABLED=0 $(PROGRESS) $(@F) \
		go -C $(MODULE) build -ldflags "$(LDFLAGS)" -o "$(CURDIR)/$@" $(PACKAGE); touch $@

.PHONY: judges
judges: tools $(JUDGES) $(FOREIGN) ## build the programs that apply and wait as Flux and Argo CD do

target/gitops/flux-judge: $(wildcard tests/gitops/flux/*.go) tests/gitops/flux/go.mod tests/gitops/flux/go.sum
target/gitops/argo-judge: $(wildcard tests/gitops/argo/*.go) tests/gitops/argo/go.mod tests/gitops/argo/go.sum

target/gitops/%-judge: | tools
	@mkdir -p $(@D); CGO_ENABLED=0 $(PROGRESS) $*-judge \
		go -C tests/gitops/$* build -ldflags "-s -w" -o "$(CURDIR)/$@" .; touch $@

target/foreign-crds/application.yaml: FROM := github.com/argoproj/argo-cd/v3
target/foreign-crds/application.yaml: FILE := manifests/crds/application-crd.yaml
target/foreign-crds/kustom%: FROM := github.com/fluxcd/kustomize-controller@v1.9.6
target/foreign-crds/kustomization.yaml: FILE := config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml
target/foreign-crds/kustomize-controller.mod: FILE := go.mod

# A module's archive holds its CRDs too; the version of Argo CD is the judge's.
$(FOREIGN): Makefile tests/gitops/argo/go.mod | tools
	@mkdir -p $(@D); folder=$$(go -C tests/gitops/argo mod download -json $(FROM) | awk -F '"' '$$2 == "Dir" { print $$4 }'); \
	install -m 644 "$$folder/$(FILE)" $@

.PHONY: checkers
checkers: tools $(CHECKERS) ## build helm, and what checks manifests, rules, workflows and dependencies

target/checkers/actionlint: PACKAGE := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
target/checkers/helm: PACKAGE := helm.sh/helm/v4/cmd/helm@v4.3.1
target/checkers/kubeconform: PACKAGE := github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
target/checkers/kube-score: PACKAGE := github.com/zegl/kube-score/cmd/kube-score@v1.20.0
target/checkers/promtool: PACKAGE := github.com/prometheus/prometheus/cmd/promtool@v0.316.0
# Without the libraries of every cloud, in which it could look for what to scrape.
target/checkers/promtool: TAGS := -tags=remove_all_sd
# It names the image of its nodes by digest. For `make kind` alone.
target/checkers/kind: PACKAGE := sigs.k8s.io/kind@v0.33.0
# Starts a container, for `make restricted` alone.
target/checkers/runc: PACKAGE := github.com/opencontainers/runc@v1.5.1
target/checkers/runc: CGO := 1

target/checkers/%: Makefile | tools
	@mkdir -p $(@D); GOBIN="$(CURDIR)/$(@D)" CGO_ENABLED=$(or $(CGO),0) $(PROGRESS) $* \
		go install $(TAGS) $(PACKAGE); touch $@

# No program: the CRDs of ServiceMonitor, PodMonitor and PrometheusRule.
target/checkers/prometheus-operator: MODULE_AND_VERSION := github.com/prometheus-operator/prometheus-operator@v0.85.0
target/checkers/prometheus-operator: Makefile | tools
	@dir=$$(go mod download -json $(MODULE_AND_VERSION) | awk -F '"' '$$2 == "Dir" { print $$4 }'); mkdir -p $@; \
	for kind in servicemonitors podmonitors prometheusrules; do \
		install -m 644 "$$dir/example/prometheus-operator-crd/monitoring.coreos.com_$$kind.yaml" $@/; \
	done; touch $@

target/checkers/cargo-deny: VERSION := 0.20.2
target/checkers/mdbook: VERSION := 0.5.4
target/checkers/mdbook: FEATURES := --no-default-features --features search
target/checkers/mdbook-mermaid: VERSION := 0.17.1

# Not optimised: they are built in a third of the time, and do the same.
target/checkers/cargo-deny target/checkers/mdbook target/checkers/mdbook-mermaid: Makefile | tools
	@mkdir -p $(@D); "$@" --version 2>/dev/null | grep -qE "^$(@F) v?$(VERSION)$$" || { \
		CARGO_PROFILE_DEV_DEBUG=0 $(PROGRESS) $(@F) \
			cargo install --quiet --debug --locked --no-track --version $(VERSION) $(FEATURES) \
			--root target/checkers/cargo $(@F); \
		mv target/checkers/cargo/bin/$(@F) $@; \
	}; touch $@

# Names what is missing before anything is built.
.PHONY: tools
tools:
	@need() { echo "missing: $$1" >&2; missing=1; }; missing=0; \
	at_least() { printf '%s\n%s\n' "$$2" "$$1" | sort -V -C; }; \
	rust=$$(cargo --version 2>/dev/null | awk '{ print $$2 }') || true; \
	go=$$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || true; go=$${go#go}; \
	at_least "$${rust:-0}" $(RUST) || need "cargo >= $(RUST), found $${rust:-none} (https://rustup.rs, then: rustup toolchain install)"; \
	at_least "$${go:-0}" $(GO) || need "go >= $(GO), found $${go:-none} (https://go.dev/dl)"; \
	command -v $${CC:-cc} >/dev/null || need "a C compiler such as gcc or clang (for aws-lc, the TLS library)"; \
	if [ -n "$(KUBEBUILDER_ASSETS)" ]; then for program in etcd kube-apiserver kubectl; do \
		[ -x "$(KUBEBUILDER_ASSETS)/$$program" ] || need "$$program in KUBEBUILDER_ASSETS ($(KUBEBUILDER_ASSETS))"; \
	done; fi; \
	exit $$missing
