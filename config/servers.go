package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"auditbridge/forward"
	"auditbridge/forward/tunnel"
	"auditbridge/internal/nearest"
)

// portOf is the protocols' default port.
var portOf = map[string]Port{"udp": 514, "tcp": 514, "tls": 6514, "relp": 2514, "auditd": 60, "https": 443}

func (k *completion) forwardings() {
	names, locals, sockets := map[string]string{}, map[string]string{}, map[string]string{}
	for i := range k.Forwardings {
		f, path := &k.Forwardings[i], fmt.Sprintf("port-forwarding[%d]", i)
		local := endpoint(f.LocalAddress, f.LocalPort)
		if f.Name == "" {
			f.Name = local
			if f.LocalPort == 0 {
				f.Name = endpoint(f.ServerAddress, f.ServerPort)
			}
			k.derived(path+".name", "from its addresses")
		}
		k.once(names, f.Name, path, ".name", "two forwardings are called %q")
		if f.LocalPort != 0 {
			k.once(locals, local, path, ".local-port", "two forwardings have the local end %s")
		}
		k.address(path, ".server-address", f.ServerAddress)
		k.address(path, ".remote-host", f.RemoteHost)
		k.address(path, ".local-address", f.LocalAddress)
		k.entrance(f, path, sockets)
		if f.User == "" || strings.ContainsAny(f.User, " \t\n\x00") {
			k.wrong(path+".user", "", "%q is no user name", f.User)
		}
		k.rekey(f, path)
		k.absolute(path+".identity-file", f.IdentityFile)
		k.absolute(path+".known-hosts", f.KnownHosts)
		if f.IdentityAgent != "" {
			k.absolute(path+".identity-agent", f.IdentityAgent)
		}
		if f.Certificate != "" {
			k.absolute(path+".certificate-file", f.Certificate)
		}
	}
	k.jumps()
}

func (k *completion) rekey(f *Forwarding, path string) {
	if b := int64(f.RekeyBytes); b < tunnel.MinRekeyBytes || b > tunnel.MaxRekeyBytes {
		k.wrong(path+".rekey-bytes", "what queues while keys are exchanged comes on top; together it must stay below 1 GB (FCS_SSH_EXT.1.8)",
			"%s is not between %s and %s", f.RekeyBytes, Size(tunnel.MinRekeyBytes), Size(tunnel.MaxRekeyBytes))
	}
	if a := time.Duration(f.RekeyAge); a < tunnel.MinRekeyAge || a > tunnel.MaxRekeyAge {
		k.wrong(path+".rekey-age", "the connection that follows takes a moment; together it must stay below an hour (FCS_SSH_EXT.1.8)",
			"%s is not between %s and %s", f.RekeyAge, Duration(tunnel.MinRekeyAge), Duration(tunnel.MaxRekeyAge))
	}
}

// once refuses a second use of a name, naming both places.
func (k *completion) once(seen map[string]string, name, path, key, format string) {
	if first, twice := seen[name]; twice {
		k.wrongAt(path, path+key, "", format+": the other is at %s", name, k.origins[first].at)
		return
	}
	seen[name] = path
}

// wrongAt is wrong for a key that may stand in no file: what asks for it does,
// mostly its table.
func (k *completion) wrongAt(asks, path, hint, format string, args ...any) {
	from := k.origins[path]
	if from.bad {
		return
	}
	if from.at.File == "" {
		from = k.origins[asks]
	}
	k.problems = append(k.problems, Problem{At: from.at, Key: bare(path), What: fmt.Sprintf(format, args...), Hint: hint})
}

// address refuses what is neither name nor address, and nothing is said of
// what would follow from it.
func (k *completion) address(path, key, address string) {
	if isHost(address) {
		return
	}
	what, hint := fmt.Sprintf("%q is neither a host name nor an IP address", address), ""
	switch {
	case address == "":
		what = "missing"
	case strings.Contains(address, ":"):
		hint = "a port has a key of its own"
	case strings.ContainsFunc(address, func(r rune) bool { return r > '~' }):
		hint = "write the name as DNS has it, in ASCII: xn--…"
	}
	k.wrongAt(path, path+key, hint, "%s", what)
	o := k.origins[path+key]
	o.bad = true
	k.origins[path+key] = o
}

// isHost knows IP addresses and host names (RFC 1123 section 2.1, and the
// underscore that is met in practice). A name does not end in a number, so that
// 10.0.0 and 10.0.0.256 are none.
func isHost(address string) bool {
	if _, err := netip.ParseAddr(address); err == nil {
		return true
	}
	if len(address) > 253 {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(address, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notInName) {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func (k *completion) servers() {
	names := map[string]string{}
	for i := range k.Servers {
		s, path := &k.Servers[i], fmt.Sprintf("remote-logging-server[%d]", i)
		k.inherit(s, path)
		k.address(path, ".address", s.Address)
		k.through(s, path)
		k.wire(s, path)
		k.tls(s, path)
		k.https(s, path)
		if s.Name == "" {
			s.Name = endpoint(s.Address, s.Port)
			k.derived(path+".name", "from address and port")
		}
		k.once(names, s.Name, path, ".name", "two servers are called %q")
		k.own(path, s)
		switch {
		case s.CatchUpRate == 0:
			k.derived(path+".catch-up-rate", "default")
		case s.CatchUpRate < forward.MinCatchUpRate:
			k.wrong(path+".catch-up-rate", "leave it out to have no bound", "%s a second are fewer than %s", s.CatchUpRate, Size(forward.MinCatchUpRate))
		}
		k.filters(s, path)
	}
}

// inherit gives a server what [syslog] says where it says nothing itself.
func (k *completion) inherit(s *Server, path string) {
	take := func(own *string, key string, common string) {
		if *own == "" && !k.origins[path+"."+key].bad {
			*own = common
			k.inherited(path+"."+key, "syslog."+key)
		}
	}
	take(&s.Format, "format", k.Syslog.Format)
	take(&s.Start, "start", k.Syslog.Start)
	take(&s.SDID, "sd-id", k.Syslog.SDID)
	take(&s.Facility, "facility", k.Syslog.Facility)
	take(&s.Severity, "severity", k.Syslog.Severity)
	if from := k.origins[path+".include"]; from.at.File == "" || from.bad {
		s.Include = k.Syslog.Auth.Include
		k.inherited(path+".include", "syslog.auth.include")
	}
}

// own checks what the server sets itself; [syslog] has been checked already.
func (k *completion) own(path string, s *Server) {
	if k.origins[path+".include"].why == "" {
		k.classes(path+".include", s.Include)
	}
	if k.origins[path+".sd-id"].why == "" {
		k.sdID(path+".sd-id", s.SDID)
	}
	if k.origins[path+".facility"].why == "" {
		k.facility(path+".facility", s.Facility)
	}
	if k.origins[path+".severity"].why == "" {
		k.severity(path+".severity", s.Severity)
	}
}

// inherited carries the origin over; a refused value stays refused.
func (k *completion) inherited(path, from string) {
	o := k.origins[from]
	o.why = "from " + from
	if o.at.File == "" {
		o.why += ", its default"
	}
	o.bad = o.bad || k.origins[path].bad
	k.origins[path] = o
}

// through finds the forwarding that carries s, by name or by its local end.
func (k *completion) through(s *Server, path string) {
	if s.Via == "" {
		if f := k.localEnd(s); f != nil {
			s.Via = f.Name
			k.derived(path+".via", "address and port are the local end of "+f.Name)
		}
	}
	if s.Via == "" {
		return
	}
	f := k.Forwarding(s.Via)
	if f == nil {
		k.unknownForwarding(path+".via", s.Via)
		return
	}
	if k.localEnd(s) == f && f.RemotePort == 0 {
		k.wrongAt(path, path+".via", "set remote-port in [[port-forwarding]] "+f.Name, "the forwarding %q has no remote-port", f.Name)
	}
}

// wire settles protocol and port.
func (k *completion) wire(s *Server, path string) {
	from := k.origins[path+".protocol"]
	if s.Protocol == "" && !from.bad {
		switch common := k.origins["syslog.protocol"]; {
		case common.at.File != "":
			s.Protocol = k.Syslog.Protocol
			k.inherited(path+".protocol", "syslog.protocol")
		case s.Via != "":
			s.Protocol = "tcp"
			k.derived(path+".protocol", "default through a tunnel")
		default:
			s.Protocol = k.Syslog.Protocol
			k.derived(path+".protocol", "default")
		}
	}
	if s.Port == 0 {
		s.Port = portOf[s.Protocol]
		k.derived(path+".port", "default of "+s.Protocol)
	}
	if s.Protocol == "udp" && s.Via != "" {
		k.wrongAt(path, path+".protocol", `write "tcp" or "relp"`, "no forwarding carries udp, and %q is to", s.Via)
	}
	k.framing(s, path)
	k.carried(s, path)
	safer := `set tls = true, or use a [[port-forwarding]]`
	if s.Protocol == "tcp" || s.Protocol == "udp" {
		safer = `use protocol = "tls", or a [[port-forwarding]]`
	}
	if !s.protected() && !k.origins[path+".protocol"].bad && k.wayIsKnown(path) {
		k.warn(path+".protocol", k.tunnelHint(s, safer), "the records go to %s in clear text, and nobody checks who receives them", endpoint(s.Address, s.Port))
	}
}

// carries are the formats of a protocol that does not carry all of them, the one it
// takes by itself first.
var carries = map[string][]string{"auditd": {"audit"}, "https": {"json"}}

// carried settles the format: what [syslog] says holds where the protocol carries it.
func (k *completion) carried(s *Server, path string) {
	formats, from := carries[s.Protocol], k.origins[path+".format"]
	switch {
	case formats == nil || from.bad || slices.Contains(formats, s.Format):
	case from.why == "":
		k.wrong(path+".format", fmt.Sprintf("leave it out, or write %q", formats[0]), "%s does not carry %q, only: %s", s.Protocol, s.Format, strings.Join(formats, " "))
	default:
		s.Format = formats[0]
		k.derived(path+".format", "what "+s.Protocol+" carries")
	}
}

// framing is a stream's alone: every other protocol has its own.
func (k *completion) framing(s *Server, path string) {
	stream := s.Protocol == "tcp" || s.Protocol == "tls"
	switch {
	case s.Framing != "" && !stream:
		k.wrong(path+".framing", "leave it out", "%s has a framing of its own", s.Protocol)
	case s.Framing == "" && stream:
		s.Framing = "octet-counting"
		k.derived(path+".framing", "default")
	}
}

// wayIsKnown reports whether it can be told that no forwarding carries a server:
// nothing that decides it was refused.
func (k *completion) wayIsKnown(path string) bool {
	for _, key := range []string{".address", ".port", ".via"} {
		if k.origins[path+key].bad {
			return false
		}
	}
	for i := range k.Forwardings {
		for _, key := range []string{".local-address", ".local-port"} {
			if k.origins[fmt.Sprintf("port-forwarding[%d]%s", i, key)].bad {
				return false
			}
		}
	}
	return true
}

// tunnelHint names the forwarding that a server on this host nearly has the
// local end of; without one it is the other hint.
func (k *completion) tunnelHint(s *Server, other string) string {
	if !isLoopback(s.Address) {
		return other
	}
	hint, least := other, 2
	for _, f := range k.Forwardings {
		if d := nearest.Distance(f.LocalPort.String(), s.Port.String()); f.LocalPort != 0 && d < least {
			least = d
			hint = fmt.Sprintf("the forwarding %q has the local end %s, port %d; to go through it, write that or via = %q", f.Name, f.LocalAddress, f.LocalPort, f.Name)
		}
	}
	return hint
}

func isLoopback(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.IsLoopback() || strings.EqualFold(address, "localhost")
}

func (k *completion) filters(s *Server, path string) {
	for i, f := range s.Filters {
		at := fmt.Sprintf("%s.filter[%d]", path, i)
		k.facility(at+".facility", f.Facility)
		k.severity(at+".severity", f.Severity)
		if _, err := regexp.Compile(f.Match); err != nil {
			k.wrong(at+".match", "the syntax is RE2's: https://golang.org/s/re2syntax", "%q is no regular expression: %v", f.Match, err)
		}
	}
}

// Forwarding returns the forwarding of that name, or nil.
func (s *Settings) Forwarding(name string) *Forwarding {
	for i := range s.Forwardings {
		if s.Forwardings[i].Name == name {
			return &s.Forwardings[i]
		}
	}
	return nil
}

func (k *completion) forwardingNames() []string {
	var names []string
	for _, f := range k.Forwardings {
		names = append(names, f.Name)
	}
	return names
}

// localEnd is the forwarding whose local address and port are the server's, or
// nil.
func (s *Settings) localEnd(server *Server) *Forwarding {
	for i := range s.Forwardings {
		f := &s.Forwardings[i]
		if f.LocalPort != 0 && endpoint(f.LocalAddress, f.LocalPort) == endpoint(server.Address, server.Port) {
			return f
		}
	}
	return nil
}

// FarEnd is where the bytes for a server go in the end: what the tunnel's far
// end connects to, or the server itself when there is no tunnel.
func (s *Settings) FarEnd(server *Server) (address string, port Port) {
	if f := s.localEnd(server); f != nil && f.Name == server.Via {
		return f.RemoteHost, f.RemotePort
	}
	return server.Address, server.Port
}

// endpoint is address:port, an IP address in its one canonical form.
func endpoint(address string, port Port) string {
	if ip, err := netip.ParseAddr(address); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), uint16(port)).String()
	}
	return strings.ToLower(address) + ":" + strconv.Itoa(int(port))
}
