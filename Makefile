# auditbridge: everything a person or CI runs. `make demo` and `make test` need only Go, git and make.
GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BIN     := bin/auditbridge
PKGS    := ./...
export CGO_ENABLED = 0

.PHONY: build fips install demo test soak corpora check bench fuzz peers clean

build:
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/auditbridge

# With Go's validated FIPS 140-3 module, in force: what a cc-profile needs. `make fips install` installs it.
fips: export GOFIPS140 = v1.0.0
fips: build

# As distributions have it: PREFIX is /usr or /usr/local, DESTDIR where a package is put together. A configuration that is there stays.
PREFIX ?= /usr
install: build
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/sbin/auditbridge
	install -D -m 644 packaging/auditbridge.sysusers $(DESTDIR)/usr/lib/sysusers.d/auditbridge.conf
	install -D -m 644 README.md $(DESTDIR)/usr/share/doc/auditbridge/README.md
	install -D -m 644 docs/operations.md $(DESTDIR)/usr/share/doc/auditbridge/operations.md
	install -D -m 644 docs/rules.md $(DESTDIR)/usr/share/doc/auditbridge/rules.md
	install -D -m 755 packaging/missing $(DESTDIR)/usr/lib/auditbridge/missing
	install -D -m 644 packaging/profile.sh $(DESTDIR)/etc/profile.d/auditbridge.sh
	install -d $(DESTDIR)/usr/lib/systemd/system
	sed 's,/usr/sbin/auditbridge,$(PREFIX)/sbin/auditbridge,' packaging/auditbridge.service >$(DESTDIR)/usr/lib/systemd/system/auditbridge.service
	sed 's,/usr/sbin/auditbridge,$(PREFIX)/sbin/auditbridge,' packaging/auditbridge-rules.service >$(DESTDIR)/usr/lib/systemd/system/auditbridge-rules.service
	sed 's,/usr/sbin/auditbridge,$(PREFIX)/sbin/auditbridge,' packaging/auditbridge-watch.service >$(DESTDIR)/usr/lib/systemd/system/auditbridge-watch.service
	install -D -m 644 packaging/auditbridge.service.d/kernel.conf $(DESTDIR)/usr/lib/systemd/system/auditbridge.service.d/kernel.conf
	[ -e $(DESTDIR)/etc/audit/plugins.d/auditbridge.conf ] || { install -d -m 750 $(DESTDIR)/etc/audit/plugins.d && \
	sed 's,/usr/sbin/auditbridge,$(PREFIX)/sbin/auditbridge,' packaging/plugins.d/auditbridge.conf >$(DESTDIR)/etc/audit/plugins.d/auditbridge.conf && \
	chmod 640 $(DESTDIR)/etc/audit/plugins.d/auditbridge.conf; }
	[ -e $(DESTDIR)/etc/auditbridge/auditbridge.toml ] || install -D -m 600 packaging/auditbridge.toml $(DESTDIR)/etc/auditbridge/auditbridge.toml

# Takes away what install put there, and first of all what the watch left for logins and shells. Configuration, keys and journal stay.
uninstall:
	[ -n "$(DESTDIR)" ] || systemctl disable --now auditbridge-watch.service auditbridge.service auditbridge-rules.service || true
	[ -n "$(DESTDIR)" ] || $(PREFIX)/sbin/auditbridge watch clear
	cd $(DESTDIR)/ && rm -f .$(PREFIX)/sbin/auditbridge usr/lib/sysusers.d/auditbridge.conf etc/profile.d/auditbridge.sh etc/audit/plugins.d/auditbridge.conf \
		usr/lib/systemd/system/auditbridge.service usr/lib/systemd/system/auditbridge-rules.service usr/lib/systemd/system/auditbridge-watch.service
	cd $(DESTDIR)/ && rm -rf usr/share/doc/auditbridge usr/lib/auditbridge usr/lib/systemd/system/auditbridge.service.d

# The main job on one machine, nothing to configure: exit 0 only if every record arrived.
demo: build
	$(BIN) demo

# Real peers (auditd, rsyslog, sshd …) take part: what is missing is installed, nothing is started as a service.
test: build peers
	$(GO) test -timeout 25m $(PKGS)

# What `make test` does for minutes, for hours: HOURS=0.5 make soak; SEED= repeats one. As root, nothing else owning kernel audit.
# Its parts by themselves: scripts/soak restarts kills and replaces run 200 times.
HOURS ?= 4
soak: build peers
	scripts/soak $(HOURS)

# The same code over logs collected elsewhere; CORPORA names the folder.
CORPORA ?= ../shared/corpora
corpora:
	AUDITBRIDGE_CORPORA=$(abspath $(CORPORA)) $(GO) test -tags corpora -count 1 -run Corpora $$(grep -rl '^//go:build corpora' --include '*_test.go' . | xargs -n 1 dirname | sort -u)

check:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not gofmt'ed:"; echo "$$bad"; exit 1; fi
	$(GO) vet $(PKGS)
	$(GO) vet -tags corpora ./auditbridge/... ./forward/... ./cmd/...
	$(GO) tool staticcheck $(PKGS)
	@dead=$$($(GO) tool deadcode -test $(PKGS)) || exit 1; if [ -n "$$dead" ]; then echo "nothing calls:"; echo "$$dead"; exit 1; fi

# Comparisons with peers in one run; see bench/README.md. As root, nothing else owning kernel audit.
bench: build peers
	bench/run

# A short turn of every fuzz target.
FUZZTIME ?= 10s
fuzz:
	scripts/fuzz $(FUZZTIME)

peers:
	scripts/peers

clean:
	rm -rf bin .peers
