module auditbridge

go 1.26.0

require (
	github.com/Shopify/toxiproxy/v2 v2.12.0 // tests: what a network does to a connection
	github.com/coreos/go-systemd/v22 v22.7.0 // sd_notify: ready, reloading, stopping, watchdog; the descriptor store
	github.com/elastic/go-libaudit/v2 v2.6.2 // kernel control (status, enable, rules) and record-type tables to test ours against; pinned, @latest does not resolve
	github.com/fsnotify/fsnotify v1.10.1 // followed logs, changed configuration files
	github.com/google/go-cmp v0.7.0 // tests: differences that can be read
	github.com/hanwen/go-fuse/v2 v2.12.1 // tests: a file system whose operations fail as told
	github.com/hashicorp/go-retryablehttp v0.7.8 // HTTPS destinations: a request that a busy server did not take is made again
	github.com/klauspost/compress v1.20.4 // reading logs that were compressed: gzip and zstd, several members, bounded memory; zstd of what is sent
	github.com/landlock-lsm/go-landlock v0.11.2 // forbids ship all it does not need
	github.com/leodido/go-syslog/v4 v4.5.0 // tests: an RFC 5424 parser that is not ours
	github.com/pelletier/go-toml/v2 v2.4.3 // configuration: strict TOML with line and column of every error
	github.com/prometheus/client_golang v1.25.0 // tests: what Prometheus wants of names
	github.com/prometheus/common v0.72.0 // tests: Prometheus' own parser of what it scrapes
	github.com/rogpeppe/go-internal v1.16.0 // tests: commands as text (testscript)
	github.com/spf13/cobra v1.10.2 // subcommands, flags, completions, manual pages
	github.com/spf13/pflag v1.0.9 // the flags of `remote set`, made of a table
	golang.org/x/crypto v0.58.0 // SSH client, known-hosts; OCSP answers; the demo's SSH server
	golang.org/x/net v0.60.0 // bpf: assembling seccomp filters; netutil: how many may connect to the metrics
	golang.org/x/sync v0.24.0 // errgroup: stages that end together
	golang.org/x/sys v0.49.0 // recvmmsg, epoll, fallocate, mmap, futex, prctl
	pgregory.net/rapid v1.3.0 // tests: random actions against a model, shrunk
	software.sslmate.com/src/go-pkcs12 v0.7.4 // client certificates that come as PFX
)

require (
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/mattn/go-colorable v0.1.13 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/rs/zerolog v1.33.0 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/telemetry v0.0.0-20260924152758-ed294f943157 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
	honnef.co/go/tools v0.8.2 // indirect
	kernel.org/pub/linux/libs/security/libcap/psx v1.2.78 // indirect
)

tool (
	golang.org/x/tools/cmd/deadcode
	honnef.co/go/tools/cmd/staticcheck
)
