package config

// Settings is the table of all keys. The tags are the table's columns:
//
//	toml     the key
//	default  the value where no file sets one; "" where it is derived
//	oneof    the values there are
//	later    values that are recognised and not in this version yet
//
// Nothing else knows which keys exist: decoding, nearest keys and `check -v`
// all walk these types.
type Settings struct {
	Node   string `toml:"node"`   // default: the host's name
	Router string `toml:"router"` // HOSTNAME on the wire is node.router

	Profile string `toml:"cc-profile" default:"none" oneof:"none ndcpp22e ndcpp30 ndcpp40 gpos43 gpos50"`

	JournalDir string `toml:"journal-dir" default:"/var/log/audit/auditbridge"`
	StateDir   string `toml:"state-dir" default:"/var/lib/auditbridge"`
	RunDir     string `toml:"run-dir" default:"/run/auditbridge"`
	ShipUser   string `toml:"ship-user" default:"auditbridge"`
	LogGroup   string `toml:"log-group"` // may read the journal; none by default
	Flush      string `toml:"flush" default:"group" oneof:"group data"`
	Overload   string `toml:"overload" default:"protect-audit" oneof:"protect-audit protect-host"`

	Metrics     Metrics      `toml:"metrics"`
	Audit       Audit        `toml:"audit"`
	Rules       Rules        `toml:"rules"`
	Banner      Banner       `toml:"banner"`
	Syslog      Syslog       `toml:"syslog"`
	Servers     []Server     `toml:"remote-logging-server"`
	Forwardings []Forwarding `toml:"port-forwarding"`
}

// Metrics is the [metrics] table: where Prometheus may read the books.
type Metrics struct {
	Listen string `toml:"listen"` // default: nowhere
}

// Audit is the [audit] table: where records come from, how long they are kept,
// and what happens when there is no room for them.
type Audit struct {
	Source               string         `toml:"source" default:"kernel"`
	Retention            Duration       `toml:"retention" default:"180d"`
	MaxSize              Size           `toml:"max-size" default:"10GiB"`
	MaxFiles             Count          `toml:"max-files"`
	MinRetention         Duration       `toml:"min-retention"`
	LegalHold            bool           `toml:"legal-hold" default:"false"`
	Overrun              string         `toml:"overrun" default:"drop-oldest" oneof:"drop-oldest keep"`
	SpaceLeft            Level          `toml:"space-left" default:"25%"`
	SpaceLeftAction      string         `toml:"space-left-action" default:"syslog"`
	AdminSpaceLeft       Level          `toml:"admin-space-left" default:"5%"`
	AdminSpaceLeftAction string         `toml:"admin-space-left-action" default:"syslog"`
	DiskFullAction       string         `toml:"disk-full-action" default:"suspend"`
	DiskErrorAction      string         `toml:"disk-error-action" default:"syslog"`
	Enforce              string         `toml:"enforce" default:"act" oneof:"act report"`
	FailureAction        string         `toml:"audit-failure-action" default:"banner" oneof:"banner nologin single halt"`
	FailureWait          Duration       `toml:"audit-failure-wait" default:"5m"`
	ActionMailAccount    string         `toml:"action-mail-acct" default:"root"`
	RescueAction         string         `toml:"rescue-action" default:"single" oneof:"single nologin suspend"`
	RecordAccounts       string         `toml:"record-accounts" default:"auto" oneof:"auto always never"`
	Administration       Administration `toml:"administration"`
	Traffic              Traffic        `toml:"traffic"`
}

// Rules is the [rules] table: what run does about the kernel's audit rules.
type Rules struct {
	SelfHeal bool   `toml:"self-heal" default:"false"`              // put back what `rules load` loaded
	AutoLoad bool   `toml:"auto-load" default:"false"`              // load the files when they change
	Path     string `toml:"path"      default:"/etc/audit/rules.d"` // where they are
}

// Administration is accepted as in the user's documents. Login events are
// always recorded; what is sent is up to include.
type Administration struct {
	Enabled bool `toml:"enabled" default:"true"`
}

// Traffic events are off and not kept unless asked for.
type Traffic struct {
	Enabled bool `toml:"enabled" default:"false"`
	Persist bool `toml:"persist" default:"false"`
}

// Banner is the [banner] table: how operators are told when auditing does not
// work. That they are told is up to nobody.
type Banner struct {
	Repeat     Duration `toml:"repeat" default:"1m"` // between two times that terminals are told
	MaxLag     Duration `toml:"max-lag" default:"1d"`
	Exclude    []string `toml:"exclude"` // rules for terminals that programs drive
	SSHDBanner bool     `toml:"sshd-banner" default:"false"`
	SSHDText   string   `toml:"sshd-text" default:"/etc/issue.net"`
	Exec       string   `toml:"exec"` // program told of each change
	Mail       string   `toml:"mail"` // address told of each change
}

// Syslog holds the defaults of every server; a server's own value wins.
type Syslog struct {
	Auth     Auth   `toml:"auth"`
	Protocol string `toml:"protocol" default:"tls" oneof:"udp tcp tls relp auditd https"`
	Format   string `toml:"format" default:"rfc5424" oneof:"rfc5424 rfc3164 cef json audit"`
	Start    string `toml:"start" default:"now" oneof:"now oldest"`
	SDID     string `toml:"sd-id" default:"auditbridge@32473.1.0.0"`
	Facility string `toml:"facility"` // stamped instead of the class's own
	Severity string `toml:"severity"` // stamped instead of the class's own

	CAFile          string `toml:"ca-file" default:"/etc/auditbridge/tls/ca.pem"`
	CRLFile         string `toml:"crl-file"`
	OCSP            string `toml:"ocsp" default:"try" oneof:"off try require strict"`
	OCSPResponder   string `toml:"ocsp-responder"`
	Certificate     string `toml:"certificate"`
	CertificateFile string `toml:"certificate-file"`
	KeyFile         string `toml:"key-file"`
	PKCS12File      string `toml:"pkcs12-file"`
	PasswordFile    string `toml:"pkcs12-password-file"`
	MinVersion      string `toml:"min-version" default:"1.2" oneof:"1.2 1.3"`
	MaxVersion      string `toml:"max-version" default:"1.3" oneof:"1.2 1.3"`
}

// Auth is [syslog] auth.include: the classes sent to the servers.
type Auth struct {
	Include []string `toml:"include" default:"all"`
}

// Server is a [[remote-logging-server]]. Address and port alone are enough. Two more
// columns are for the commands that set one, key by key:
//
//	usage    what it says, <WORD> being its value; the values there are need not be repeated
//	flag     what it is called there, when not by the key: the users' documents' word
type Server struct {
	Name     string   `toml:"name"` // default: address:port
	Address  string   `toml:"address" flag:"server-name" usage:"the server's host name or IP <ADDRESS>"`
	Port     Port     `toml:"port" usage:"its <PORT>; the protocol's unless given"`
	Via      string   `toml:"via" usage:"the [[port-forwarding]] of this <NAME> carries it"`
	Protocol string   `toml:"protocol" oneof:"udp tcp tls relp auditd https" usage:"what is spoken; tls unless given"`
	Framing  string   `toml:"framing" oneof:"octet-counting lf" usage:"of tcp and tls: how messages are told apart; octet-counting unless given"`
	Format   string   `toml:"format" oneof:"rfc5424 rfc3164 cef json audit" usage:"what is sent"`
	Start    string   `toml:"start" oneof:"now oldest" usage:"where it begins"`
	SDID     string   `toml:"sd-id" usage:"<NAME@NUMBER> of the structured data"`
	Facility string   `toml:"facility" usage:"stamped instead of the event's own: a <NAME>"`
	Severity string   `toml:"severity" usage:"stamped instead of the event's own: a <NAME>"`
	Include  []string `toml:"include" usage:"the <CLASSES> that are sent: all login session config-change system alarm"`
	Filters  []Filter `toml:"filter" usage:"such as 'facility=auth severity=info match=REGEXP', one <FILTER> a time; several are OR"`

	CatchUpRate Size `toml:"catch-up-rate" usage:"at most this <SIZE> a second, such as 2MiB"` // default: no bound
	// Of protocol = "https".
	Path         string `toml:"path" usage:"of https: where requests go; the body's unless given"`
	Body         string `toml:"body" oneof:"ndjson splunk-hec elastic-bulk" usage:"of https: what a request holds"`
	Compression  string `toml:"compression" oneof:"gzip zstd none" usage:"of https"`
	TokenFile    string `toml:"token-file" usage:"of https: a <FILE> with the token"`
	User         string `toml:"user" usage:"of https, instead of a token: a <NAME>"`
	PasswordFile string `toml:"password-file" usage:"of https: a <FILE> with that user's password"`

	// Of a server that is spoken to in TLS.
	TLS bool `toml:"tls" default:"false" usage:"relp and auditd in TLS"` // the protocols tls and https are, without it

	ServerName           string `toml:"server-name" flag:"certificate-name" usage:"the <NAME> or address that its certificate has to be for; its own unless given"`
	CAFile               string `toml:"ca-file" usage:"its root, in this PEM <FILE>"`
	CRLFile              string `toml:"crl-file" usage:"a <FILE> of revocation lists, PEM or DER"`
	OCSP                 string `toml:"ocsp" oneof:"off try require strict" usage:"whether somebody is asked if a certificate is revoked"` // strict is require
	OCSPResponder        string `toml:"ocsp-responder" usage:"the <URL> that is asked instead of the one that a certificate names"`
	Certificate          string `toml:"certificate" usage:"short for the next two: a <NAME>, or a path without its ending"`
	CertificateFile      string `toml:"certificate-file" usage:"ours to this server, in a PEM <FILE>"`
	KeyFile              string `toml:"key-file" usage:"its key, in a PEM <FILE>"`
	PKCS12File           string `toml:"pkcs12-file" usage:"both in one <FILE>, instead of them"`
	PKCS12Password       string `toml:"pkcs12-password-file" usage:"the <FILE> whose one line opens it"`
	MinVersion           string `toml:"min-version" oneof:"1.2 1.3" usage:"of TLS"`
	MaxVersion           string `toml:"max-version" oneof:"1.2 1.3" usage:"of TLS"`
	SkipCNCheck          bool   `toml:"skip-cn-check" default:"false" usage:"believe any name in a certificate of that root (laboratories)"`
	SkipCertificateCheck bool   `toml:"skip-certificate-check" default:"false" usage:"believe any certificate (laboratories)"`
}

// Filter lets an event pass when all it sets holds. Several are OR; a server
// without any gets everything.
type Filter struct {
	Facility string `toml:"facility"` // default: any
	Severity string `toml:"severity"` // this level or more urgent; default: any
	Match    string `toml:"match"`    // on the whole formatted message
}

// Forwarding is a [[port-forwarding]]: an SSH connection to server-address
// that carries servers to remote-host:remote-port. A server with the local address and
// port goes through in process; nothing listens there but with listen, for other programs.
type Forwarding struct {
	Name           string   `toml:"name"` // default: local-address:local-port, else server-address:server-port
	ServerAddress  string   `toml:"server-address"`
	ServerPort     Port     `toml:"server-port" default:"22"`
	Via            string   `toml:"via"` // another forwarding, which carries the SSH connection
	RemoteHost     string   `toml:"remote-host" default:"127.0.0.1"`
	RemotePort     Port     `toml:"remote-port"`
	LocalAddress   string   `toml:"local-address" default:"127.0.0.1"`
	LocalPort      Port     `toml:"local-port"`
	LocalInterface string   `toml:"local-interface" default:"lo"`
	User           string   `toml:"user" default:"audit"`
	IdentityFile   string   `toml:"identity-file" default:"/etc/auditbridge/ssh/id"`
	IdentityAgent  string   `toml:"identity-agent"`   // socket of an SSH agent that holds identity-file's key
	Certificate    string   `toml:"certificate-file"` // OpenSSH's, for the key
	KnownHosts     string   `toml:"known-hosts" default:"/etc/auditbridge/ssh/known_hosts"`
	Keepalive      Duration `toml:"keepalive" default:"15s"`
	RekeyBytes     Size     `toml:"rekey-bytes" default:"256MiB"` // that one key protects, each way
	RekeyAge       Duration `toml:"rekey-age" default:"50m"`      // how long one key is used

	// For other programs of this host.
	Listen            bool     `toml:"listen" default:"false"`
	ListenSocket      string   `toml:"listen-socket"`                   // a Unix socket, one without / in run-dir; default: TCP at the local end
	ListenUIDs        Users    `toml:"listen-uids" default:"root"`      // who may come to the Unix socket
	ListenConnections Count    `toml:"listen-connections" default:"32"` // at a time
	ListenIdle        Duration `toml:"listen-idle"`                     // when nothing passes for so long a connection is ended; default: never
}
