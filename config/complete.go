package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/banner"
	"auditbridge/internal/metrics"
	"auditbridge/internal/nearest"
)

// completion derives what the files leave open and checks what only makes sense
// together. It sees decoded values only, never the file system.
type completion struct {
	*Config
	problems Problems
}

// complete finishes c and returns everything that is wrong with it.
func (c *Config) complete() Problems {
	k := completion{Config: c}
	k.host()
	k.paths()
	k.metrics()
	k.audit()
	k.banner()
	k.syslog()
	k.forwardings()
	k.servers()
	k.profiled()
	return k.problems
}

// wrong notes a problem with a key, unless its value was refused already.
func (k *completion) wrong(path, hint, format string, args ...any) {
	from := k.origins[path]
	if from.bad {
		return
	}
	k.problems = append(k.problems, Problem{At: from.at, Key: bare(path), What: fmt.Sprintf(format, args...), Hint: hint})
}

func (k *completion) warn(path, hint, format string, args ...any) {
	k.Warnings = append(k.Warnings, Problem{At: k.origins[path].at, Key: bare(path), What: fmt.Sprintf(format, args...), Hint: hint})
}

// warnAt is warn for a key that may stand in no file: its table does.
func (k *completion) warnAt(table, path, hint, format string, args ...any) {
	from := k.origins[path]
	if from.at.File == "" {
		from = k.origins[table]
	}
	k.Warnings = append(k.Warnings, Problem{At: from.at, Key: bare(path), What: fmt.Sprintf(format, args...), Hint: hint})
}

// derived says in words where a value that no file sets comes from.
func (k *completion) derived(path, why string) { k.origins[path] = origin{why: why} }

func (k *completion) host() {
	if k.Node == "" && !k.origins["node"].bad {
		name, err := os.Hostname()
		if err != nil || name == "" {
			name = "localhost"
		}
		k.Node = name
		k.derived("node", "the host's name")
	}
	for _, name := range []struct{ key, value string }{{"node", k.Node}, {"router", k.Router}} {
		for _, r := range name.value {
			if r <= ' ' || r > '~' {
				k.wrong(name.key, "RFC 5424 section 6.2.4: printable ASCII without blanks", "%q cannot stand in a syslog header", name.value)
				break
			}
		}
	}
	if len(k.Host()) > 255 {
		k.wrong("node", "", "the name on the wire, node.router, has %d characters; a syslog header takes 255", len(k.Host()))
	}
}

// Host is HOSTNAME on the wire: node.router, or node alone.
func (s *Settings) Host() string {
	if s.Router == "" {
		return s.Node
	}
	return s.Node + "." + s.Router
}

func (k *completion) paths() {
	dirs := []struct{ key, value string }{{"journal-dir", k.JournalDir}, {"state-dir", k.StateDir}, {"run-dir", k.RunDir}}
	for i, dir := range dirs {
		if !k.absolute(dir.key, dir.value) {
			continue
		}
		for _, other := range dirs[:i] {
			if filepath.Clean(other.value) == filepath.Clean(dir.value) {
				k.wrong(dir.key, "give each its own directory", "%q is %s already", dir.value, other.key)
			}
		}
	}
}

func (k *completion) absolute(path, value string) bool {
	if filepath.IsAbs(value) && !strings.ContainsRune(value, 0) {
		return true
	}
	k.wrong(path, "", "%q is not an absolute path", value)
	return false
}

func (k *completion) metrics() {
	switch at, err := metrics.ParseAddress(k.Metrics.Listen); {
	case err != nil:
		k.wrong("metrics.listen", `such as "unix:/run/auditbridge/metrics.sock" or "127.0.0.1:9464"`, "%v", err)
	case at.Network == "tcp":
		k.warn("metrics.listen", `with "unix:/run/auditbridge/metrics.sock" only root and log-group may`, "every user of this host may read the metrics, and serve others in their place while run is not running")
	}
}

func (k *completion) banner() {
	b := &k.Banner
	if b.Repeat < Duration(time.Second) && b.Repeat != 0 {
		k.wrong("banner.repeat", "", "%s is too often: at least every second", b.Repeat)
	}
	for _, rule := range b.Exclude {
		if _, err := banner.ParseExclusion(rule); err != nil {
			k.wrong("banner.exclude", `such as "terminal=ttyS1", "user=ansible" or "command=expect"`, "%v", err)
		}
	}
	k.absolute("banner.sshd-text", b.SSHDText)
	if b.Exec != "" {
		k.absolute("banner.exec", b.Exec)
	}
	if b.Mail != "" {
		if err := banner.CheckAddress(b.Mail); err != nil {
			k.wrong("banner.mail", `such as "root" or "audit@example.com"`, "%v", err)
		}
	}
}

// minRetention and minSize are what a journal needs to close segments at all.
const (
	minRetention = Duration(time.Hour)
	minSize      = Size(16 << 20)
)

func (k *completion) audit() {
	a := &k.Audit
	k.source()
	if a.Retention < minRetention {
		k.wrong("audit.retention", "", "%s is less than %s", a.Retention, minRetention)
	}
	if a.MaxSize < minSize {
		k.wrong("audit.max-size", "", "%s is less than %s", a.MaxSize, minSize)
	}
	if a.MinRetention > a.Retention {
		k.wrong("audit.min-retention", "", "%s is more than retention, %s", a.MinRetention, a.Retention)
	}
	if a.LegalHold {
		k.warn("audit.legal-hold", "disk-full-action says what happens then", "no segment is dropped, whatever retention and max-size say, until the disk is full")
	}
	left, admin := a.SpaceLeft.Of(a.MaxSize), a.AdminSpaceLeft.Of(a.MaxSize)
	if left >= int64(a.MaxSize) {
		k.wrong("audit.space-left", "", "%s is not below max-size, %s", a.SpaceLeft, a.MaxSize)
	}
	if admin >= left {
		k.wrong("audit.admin-space-left", "", "%s is not below space-left, %s", a.AdminSpaceLeft, a.SpaceLeft)
	}
	if !a.Administration.Enabled {
		k.warn("audit.administration.enabled", "use include to choose what a server gets", "login events are recorded all the same")
	}
	if a.Traffic.Enabled {
		k.wrong("audit.traffic.enabled", "set it to false", "traffic events are not in this version yet")
	}
	k.actions()
}

func (k *completion) source() {
	source := k.Audit.Source
	kind, path, named := strings.Cut(source, ":")
	switch {
	case source == "kernel" || source == "plugin":
	case source == "multicast":
		k.warn("audit.source", `where auditd need not run: source = "kernel"`,
			"the kernel holds nobody back for a listener, and does not count what it misses: that is found by serials and by its socket's drops")
	case (kind == "unix" || kind == "file") && named && filepath.IsAbs(path):
	case named && (kind == "file" || kind == "unix"):
		k.wrong("audit.source", fmt.Sprintf("such as %q", kind+":"+sourcePaths[kind]), "%q is not an absolute path", path)
	default:
		hint := ""
		if near := nearest.Word(kind, strings.Fields(sources)); near != "" && sourcePaths[near] != "" {
			hint = fmt.Sprintf("nearest value: %q", near+":"+cmp.Or(path, sourcePaths[near]))
		} else if near != "" {
			hint = fmt.Sprintf("nearest value: %q", near)
		}
		k.wrong("audit.source", hint, "%q is none of: kernel multicast plugin unix:/path file:/path", source)
	}
}

const sources = "kernel multicast plugin unix file"

// sourcePaths are where auditd's are.
var sourcePaths = map[string]string{"unix": "/run/audit/audispd_events", "file": "/var/log/audit/audit.log"}

func (k *completion) syslog() {
	k.classes("syslog.auth.include", k.Syslog.Auth.Include)
	k.facility("syslog.facility", k.Syslog.Facility)
	k.severity("syslog.severity", k.Syslog.Severity)
	k.sdID("syslog.sd-id", k.Syslog.SDID)
}

func (k *completion) classes(path string, names []string) {
	for _, name := range names {
		if _, known := auditbridge.ParseClass(name); known || name == "all" {
			continue
		}
		hint := ""
		if near := nearest.Word(name, strings.Fields("all login session config-change system alarm")); near != "" {
			hint = fmt.Sprintf("nearest value: %q", near)
		}
		k.wrong(path, hint, "%q is none of: all login session config-change system alarm", name)
	}
	if len(names) == 0 {
		k.wrong(path, `write ["all"], or leave the key out`, "the list is empty: only alarms would be sent")
	}
}

func (k *completion) facility(path, name string) {
	if _, known := auditbridge.ParseFacility(name); name != "" && !known {
		k.wrong(path, "RFC 5424 section 6.2.1: kern, auth, daemon, local0 …", "%q is no syslog facility", name)
	}
}

func (k *completion) severity(path, name string) {
	if _, known := auditbridge.ParseSeverity(name); name != "" && !known {
		k.wrong(path, "RFC 5424 section 6.2.1: error, warning, notice, info …", "%q is no syslog severity", name)
	}
}

// sdID checks name@enterprise-number as RFC 5424 section 7 has it. A name alone is
// IANA's to give, and in use all the same.
func (k *completion) sdID(path, id string) {
	name, number, found := strings.Cut(id, "@")
	good := name != "" && len(id) <= 32
	for _, r := range id {
		good = good && r > ' ' && r <= '~' && !strings.ContainsRune(`="]`, r)
	}
	for _, part := range strings.Split(number, ".") {
		good = good && (!found || part != "" && strings.Trim(part, "0123456789") == "")
	}
	switch {
	case !good:
		k.wrong(path, `such as "auditbridge@32473.1.0.0", at most 32 characters`, "%q is no NAME@ENTERPRISE-NUMBER", id)
	case !found:
		k.warn(path, "RFC 5424 section 7: write NAME@ENTERPRISE-NUMBER, unless the receiver wants just this", "%q has no enterprise number; names without one are IANA's", id)
	}
}
