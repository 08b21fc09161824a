package config

import (
	"crypto/fips140"
	"fmt"
	"slices"

	"auditbridge/diskguard"
	"auditbridge/forward/tlslink"
	"auditbridge/forward/tunnel"
)

// profile is a value of cc-profile: the lists that a Common Criteria document
// freezes, and by which names it demands what a configuration could contradict.
type profile struct {
	name    string
	ssh     tunnel.Algorithms
	tls     tlslink.Profile
	inPlace bool // keys are agreed on anew within the connection

	record  string // what has to be recorded, and with what in it
	full    string // what happens when there is no room
	channel string // how it goes to a server
	revoked string // that a certificate is not believed when it is revoked
	login   string // with what keys
}

// cryptography is the requirement of each by what module it is done.
const cryptography = "FCS_COP.1"

var profiles = []profile{
	// Network Device cPP 2.2e.
	{name: "ndcpp22e", ssh: tunnel.NDcPP22e, tls: tlslink.NDcPP22e, inPlace: true,
		record: "FAU_GEN.1", full: "FAU_STG_EXT.1.3", channel: "FTP_ITC.1", revoked: "FIA_X509_EXT.1/Rev", login: "FCS_SSHC_EXT.1.5"},
	// Network Device cPP 3.0e with the SSH package 1.0.
	{name: "ndcpp30", ssh: tunnel.SSHPackage10, tls: tlslink.NDcPP30,
		record: "FAU_GEN.1", full: "FAU_STG_EXT.1.5", channel: "FTP_ITC.1", revoked: "FIA_X509_EXT.1/Rev", login: "FCS_SSH_EXT.1.2"},
	// Network Device cPP 4.0 with the SSH package 2.0.
	{name: "ndcpp40", ssh: tunnel.SSHPackage20, tls: tlslink.TLSPackage21,
		record: "FAU_GEN.1", full: "FAU_STG_EXT.1.5", channel: "FTP_ITC.1", revoked: "FIA_X509_EXT.1/Rev", login: "FCS_SSH_EXT.1.2"},
	// Operating Systems PP 4.3 with the SSH package 1.0.
	{name: "gpos43", ssh: tunnel.SSHPackage10, tls: tlslink.NDcPP22e,
		record: "FAU_GEN.1.1", full: "SRG-OS-000047", channel: "FTP_ITC_EXT.1", revoked: "FIA_X509_EXT.1", login: "FCS_SSH_EXT.1.2"},
	// Operating Systems PP 5.0 with the SSH package 2.0.
	{name: "gpos50", ssh: tunnel.SSHPackage20, tls: tlslink.TLSPackage21,
		record: "FAU_GEN.1.1", full: "SRG-OS-000047", channel: "FTP_ITC_EXT.1", revoked: "FIA_X509_EXT.1", login: "FCS_SSH_EXT.1.2"},
}

// profile is the one in force, nil where there is none.
func (s *Settings) profile() *profile {
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.name == s.Profile })
	if i < 0 {
		return nil
	}
	return &profiles[i]
}

// profiled refuses what contradicts the profile, naming the requirement.
func (k *completion) profiled() {
	p := k.profile()
	if p == nil {
		return
	}
	contradicts := func(path, requirement, hint, format string, args ...any) {
		k.wrongAt("cc-profile", path, hint, "cc-profile %q, %s: %s", p.name, requirement, fmt.Sprintf(format, args...))
	}
	a := &k.Audit
	if end := diskguard.Action(a.DiskFullAction); end != diskguard.Halt && end != diskguard.Single {
		contradicts("audit.disk-full-action", p.full, `write "halt" or "single"`, "a host that cannot record does not go on, and %q lets it", a.DiskFullAction)
	}
	if end := diskguard.Action(a.FailureAction); end != diskguard.Halt && end != diskguard.Single {
		contradicts("audit.audit-failure-action", p.full, `write "halt" or "single"`, "a host whose recording is not brought back does not go on, and %q lets it", a.FailureAction)
	}
	if diskguard.Enforce(a.Enforce) == diskguard.Report {
		contradicts("audit.enforce", p.full, `leave it out`, "what would have been done is not done")
	}
	if !a.Administration.Enabled {
		contradicts("audit.administration.enabled", p.record, "leave it out", "login events are recorded")
	}
	for i := range k.Servers {
		s, path := &k.Servers[i], fmt.Sprintf("remote-logging-server[%d]", i)
		if !s.protected() && k.wayIsKnown(path) {
			contradicts(path+".protocol", p.channel, `reach the server through a [[port-forwarding]], or by protocol = "tls"`, "%s gets the records in clear text", s.Name)
		}
		if s.SkipCertificateCheck {
			contradicts(path+".skip-certificate-check", p.channel, "leave it out", "%s is believed whoever it is", s.Name)
		}
		if s.SkipCNCheck {
			contradicts(path+".skip-cn-check", p.channel, "leave it out", "the name of %s is not checked", s.Name)
		}
		if s.usesTLS() && s.OCSP == tlslink.OCSPOff && s.CRLFile == "" {
			contradicts(path+".ocsp", p.revoked, `ocsp = "require", or a crl-file`, "nobody is asked whether the certificate of %s is revoked", s.Name)
		}
		if s.Format == "rfc3164" {
			contradicts(path+".format", p.record, `format = "rfc5424" has the year and the zone`, "a message of RFC 3164 does not say in which year something happened")
		}
	}
	for i := range k.Forwardings {
		f, path := &k.Forwardings[i], fmt.Sprintf("port-forwarding[%d]", i)
		if f.IdentityAgent != "" {
			contradicts(path+".identity-agent", cryptography, "leave it out, and name the private key in identity-file", "an agent signs, by another module than ours")
		}
		if f.Certificate != "" {
			contradicts(path+".certificate-file", p.login, "leave it out", "no certificate of OpenSSH is among the keys that may log in")
		}
		if f.Listen {
			contradicts(path+".listen", p.channel, "leave it out", "every program of the host could send through it")
		}
	}
}

// protected reports whether nobody on the way can read or change what s gets.
func (s *Server) protected() bool { return s.Via != "" || s.usesTLS() }

// module refuses a profile while Go's FIPS 140-3 module is not in force in this
// program.
func (k *completion) module() {
	p := k.profile()
	if p == nil {
		return
	}
	if !fips140.Enabled() {
		k.wrong("cc-profile", "`make fips` builds a program with the validated module, in force unless GODEBUG=fips140=off is in its environment",
			"%q, %s: the FIPS 140-3 module is not in force in this program", p.name, cryptography)
	} else if fips140.Version() == "latest" {
		k.warn("cc-profile", "`make fips` builds a program with the validated module",
			"the FIPS 140-3 module in force is the one of this version of Go, of which no certificate speaks")
	}
}
