package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/banner"
	"auditbridge/banner/watch"
	"auditbridge/diskguard"
	"auditbridge/forward"
	"auditbridge/forward/tunnel"
	"auditbridge/internal/control"
	"auditbridge/internal/metrics"
	"auditbridge/journal"
	"auditbridge/retention"
)

// RingFile is where the ring outlives the process.
func (s *Settings) RingFile() string { return filepath.Join(s.RunDir, "audit.ring") }

// ControlSocket is where run answers.
func (s *Settings) ControlSocket() string { return filepath.Join(s.RunDir, control.SocketName) }

// MetricsAddress is where metrics are served; the zero Address where they are not.
func (s *Settings) MetricsAddress() metrics.Address {
	at, _ := metrics.ParseAddress(s.Metrics.Listen) // complete has refused what it does not understand
	return at
}

// Kernel is the kernel source's Config.
func (s *Settings) Kernel() auditbridge.KernelConfig {
	return auditbridge.KernelConfig{Pressure: auditbridge.Pressure{Overload: auditbridge.Overload(s.Overload)}}
}

// Multicast is the multicast source's Config.
func (s *Settings) Multicast() auditbridge.MulticastConfig {
	return auditbridge.MulticastConfig{ExemptionFile: s.ExemptionFile()}
}

// ExemptionFile is where a successor finds what a killed run left in the kernel.
func (s *Settings) ExemptionFile() string { return filepath.Join(s.RunDir, "exempt-pids") }

// segments is how many a journal has when it is as large as it may be: enough
// that dropping one never drops much.
const segments = 8

// Journal is the journal's Config.
func (s *Settings) Journal() (journal.Config, error) {
	gid, err := s.GroupID()
	if err != nil {
		return journal.Config{}, err
	}
	return journal.Config{
		Dir:         s.JournalDir,
		StateDir:    s.StateDir,
		Flush:       journal.Flush(s.Flush),
		SegmentSize: min(journal.DefaultSegmentSize, int64(s.Audit.MaxSize)/segments),
		Retention:   time.Duration(s.Audit.Retention),
		GroupID:     gid,
		Source:      s.Audit.Source,
	}, nil
}

// RecordsAccounts reports whether the journal holds who has which number on this
// host. By default it does where its records are this host's own: a followed
// file may be of any host, but for what lies where auditd writes.
func (s *Settings) RecordsAccounts() bool {
	if s.Audit.RecordAccounts != "auto" {
		return s.Audit.RecordAccounts == "always"
	}
	kind, path, _ := strings.Cut(s.Audit.Source, ":")
	return kind != "file" && kind != "journal" || filepath.Dir(path) == "/var/log/audit"
}

// Retention is the retention's Config.
func (s *Settings) Retention() retention.Config {
	return retention.Config{
		Age:      time.Duration(s.Audit.Retention),
		Least:    time.Duration(s.Audit.MinRetention),
		MaxSize:  int64(s.Audit.MaxSize),
		MaxFiles: int(s.Audit.MaxFiles),
		Keep:     s.Audit.Overrun == "keep",
		Hold:     s.Audit.LegalHold,
	}
}

// Disk is diskguard's Config.
func (s *Settings) Disk() diskguard.Config {
	a := &s.Audit
	return diskguard.Config{
		Dir:                  s.JournalDir,
		MaxSize:              int64(a.MaxSize),
		SpaceLeft:            a.SpaceLeft.threshold(),
		AdminSpaceLeft:       a.AdminSpaceLeft.threshold(),
		SpaceLeftAction:      diskguard.Action(a.SpaceLeftAction),
		AdminSpaceLeftAction: diskguard.Action(a.AdminSpaceLeftAction),
		DiskFullAction:       diskguard.Action(a.DiskFullAction),
		DiskErrorAction:      diskguard.Action(a.DiskErrorAction),
		Enforce:              diskguard.Enforce(a.Enforce),
		RescueAction:         diskguard.Action(a.RescueAction),
	}
}

// Watch is the watch's Settings. On a host of its own (Want.Local) the records
// are this kernel's.
func (s *Settings) Watch() watch.Settings {
	b := &s.Banner
	kind, path, _ := strings.Cut(s.Audit.Source, ":")
	w := watch.Settings{
		Node:   s.Host(),
		Want:   watch.Want{Source: kind, Local: kind != "file" || filepath.Dir(path) == "/var/log/audit", Backlog: shortestBacklog, MaxLag: time.Duration(b.MaxLag)},
		RunDir: s.RunDir, StateDir: s.StateDir, JournalDir: s.JournalDir, Unit: "auditbridge.service", Socket: s.ControlSocket(), Cursors: map[string]string{}, Disk: map[string]watch.DiskAction{},
		Repeat: time.Duration(b.Repeat), Hook: b.Exec, Mail: b.Mail,
		Places: banner.Places{RunDir: s.RunDir, SSHD: b.SSHDBanner, SSHDText: b.SSHDText},
	}
	switch kind {
	case "kernel":
		w.Want.Backlog = auditbridge.DefaultBacklogLimit
	case "plugin": // run is auditd's child
		w.Unit = "auditd.service"
	}
	for _, a := range s.Audit.actions() {
		if program, runs := diskguard.Action(a.value).Program(); runs {
			w.Disk[string(a.level)] = watch.DiskAction{Program: program}
		} else if diskguard.Action(a.value) == diskguard.Email {
			w.Disk[string(a.level)] = watch.DiskAction{Mail: s.Audit.ActionMailAccount}
		}
	}
	for i := range s.Servers {
		w.Cursors[s.Servers[i].Name] = forward.CursorFile(s.StateDir, s.Servers[i].Name)
	}
	for _, text := range b.Exclude {
		if rule, err := banner.ParseExclusion(text); err == nil { // complete has refused the others
			w.Exclude = append(w.Exclude, rule)
		}
	}
	return w
}

// shortestBacklog is what a kernel begins with; where somebody else owns its audit,
// more is that one's business.
const shortestBacklog = 64

// WatchSocket is where the watch answers.
func (s *Settings) WatchSocket() string { return filepath.Join(s.RunDir, "watch.sock") }

// Failure is the watch's Config of what is done when recording is not brought back.
func (s *Settings) Failure() diskguard.FailureConfig {
	return diskguard.FailureConfig{
		Action: diskguard.Action(s.Audit.FailureAction), Wait: time.Duration(s.Audit.FailureWait),
		RescueAction: diskguard.Action(s.Audit.RescueAction), Enforce: diskguard.Enforce(s.Audit.Enforce),
	}
}

// Destinations is a forward.Config for each server.
func (s *Settings) Destinations() []forward.Config {
	all := make([]forward.Config, 0, len(s.Servers))
	for i := range s.Servers {
		server := &s.Servers[i]
		address, port := s.FarEnd(server)
		c := forward.Config{
			Name: server.Name, Address: address, Port: int(port), Via: server.Via, Protocol: server.Protocol, Framing: server.Framing, CatchUpRate: int64(server.CatchUpRate),
			Format: server.Format, SDID: server.SDID, Node: s.Host(),
			Facility: server.Facility, Severity: server.Severity,
			Include: server.Include, Start: server.Start,
		}
		c.TLS, c.HTTPS = server.tls(address, port), server.https()
		if p := s.profile(); p != nil && c.TLS != nil {
			c.TLS.Profile = p.tls.Within(c.TLS.Profile)
		}
		for _, f := range server.Filters {
			c.Filters = append(c.Filters, forward.Filter(f))
		}
		all = append(all, c)
	}
	return all
}

// Tunnels is a tunnel.Config for each forwarding.
func (s *Settings) Tunnels() []tunnel.Config {
	all := make([]tunnel.Config, 0, len(s.Forwardings))
	for _, f := range s.Forwardings {
		c := tunnel.Config{
			Name: f.Name, ServerAddress: f.ServerAddress, ServerPort: int(f.ServerPort),
			User: f.User, IdentityFile: f.IdentityFile, KnownHosts: f.KnownHosts,
			IdentityAgent: f.IdentityAgent, CertificateFile: f.Certificate,
			KeepaliveInterval: time.Duration(f.Keepalive),
			RekeyBytes:        int64(f.RekeyBytes), RekeyAge: time.Duration(f.RekeyAge),
		}
		if p := s.profile(); p != nil {
			c.Algorithms, c.RekeyInPlace = p.ssh, p.inPlace
		}
		// A forwarding that is only used by name has neither end of its own.
		if f.RemotePort != 0 {
			c.RemoteHost, c.RemotePort = f.RemoteHost, int(f.RemotePort)
		}
		if f.LocalPort != 0 {
			c.LocalAddress, c.LocalPort, c.LocalInterface = f.LocalAddress, int(f.LocalPort), f.LocalInterface
		}
		all = append(all, c)
	}
	return all
}

// validate asks every package whether it will take its Config, so that what
// check finds valid is what run starts with.
func (c *Config) validate() Problems {
	k := completion{Config: c}
	if j, err := c.Journal(); err == nil { // probe has said what is wrong with log-group
		k.refused("", j.Validate())
	}
	r, d := c.Retention(), c.Disk()
	k.refused("", r.Validate())
	k.refused("", d.Validate())
	for i, t := range c.Tunnels() {
		k.refused(fmt.Sprintf("port-forwarding[%d]", i), t.Validate())
	}
	for _, e := range c.Entrances() {
		if e.Tunnel.Validate() == nil { // else that has been said
			k.refused("port-forwarding", e.Validate())
		}
	}
	for i, f := range c.Destinations() {
		k.refused(fmt.Sprintf("remote-logging-server[%d]", i), f.Validate())
	}
	return k.problems
}

// refused notes what a package says of the table at path.
func (k *completion) refused(path string, err error) {
	if err == nil {
		return
	}
	for line := range strings.Lines(err.Error()) {
		k.problems = append(k.problems, Problem{At: k.origins[path].at, What: strings.TrimSuffix(line, "\n")})
	}
}
