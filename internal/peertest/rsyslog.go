package peertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Rsyslog is a stock rsyslogd that listens on plain TCP and writes every
// message, as it came, to a file.
type Rsyslog struct {
	*Process
	Port int
	File string
	conf string
}

// StartRsyslog runs rsyslogd. Messages up to 64 KiB are kept whole; rsyslog's
// own default is 8 KiB.
func StartRsyslog(t testing.TB) *Rsyslog {
	t.Helper()
	return StartRsyslogOn(t, FreePort(t))
}

// StartRsyslogOn is StartRsyslog on a given port.
func StartRsyslogOn(t testing.TB, port int) *Rsyslog {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "received")
	return StartRsyslogWith(t, port, file, keeping(dir, file)+fmt.Sprintf(`module(load="imtcp" maxSessions="1000")
input(type="imtcp" address="127.0.0.1" port="%d" ruleset="keep" name="in")
`, port))
}

// StartRELP is StartRsyslog for RELP.
func StartRELP(t testing.TB) *Rsyslog {
	t.Helper()
	dir, port := t.TempDir(), FreePort(t)
	file := filepath.Join(dir, "received")
	return StartRsyslogWith(t, port, file, keeping(dir, file)+fmt.Sprintf(`module(load="imrelp" ruleset="keep")
input(type="imrelp" address="127.0.0.1" port="%d" maxDataSize="64k")
`, port))
}

// StartRELPTLS is StartRELP in TLS, with a certificate of the server's; whoever sends
// has to have one of ca's, too.
func StartRELPTLS(t testing.TB, ca, server *Identity) *Rsyslog {
	t.Helper()
	dir, port := t.TempDir(), FreePort(t)
	file := filepath.Join(dir, "received")
	root, _ := ca.Write(dir, "ca")
	cert, key := server.Write(dir, "server")
	return StartRsyslogWith(t, port, file, keeping(dir, file)+fmt.Sprintf(`module(load="imrelp" ruleset="keep")
input(type="imrelp" address="127.0.0.1" port="%d" maxDataSize="64k" tls="on" tls.caCert="%s" tls.myCert="%s" tls.myPrivKey="%s" tls.authMode="certvalid")
`, port, root, cert, key))
}

// StartUDP is StartRsyslog for UDP. It listens on TCP, too, by which it is seen to run.
func StartUDP(t testing.TB) *Rsyslog {
	t.Helper()
	dir, port := t.TempDir(), FreePort(t)
	file := filepath.Join(dir, "received")
	return StartRsyslogWith(t, port, file, keeping(dir, file)+fmt.Sprintf(`module(load="imudp")
module(load="imtcp")
input(type="imudp" address="127.0.0.1" port="%d" ruleset="keep" rcvbufSize="8m")
input(type="imtcp" address="127.0.0.1" port="%d" ruleset="keep")
`, port, port))
}

// keeping is a ruleset "keep" that writes every message as it came.
func keeping(dir, file string) string {
	return fmt.Sprintf(`global(workDirectory="%s" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
template(name="asItCame" type="string" string="%%rawmsg%%\n")
ruleset(name="keep" queue.type="direct") {
  action(type="omfile" file="%s" template="asItCame" asyncWriting="off")
}
`, dir, file)
}

// StartRsyslogWith runs rsyslogd with a configuration that makes it listen on
// port and write to file.
func StartRsyslogWith(t testing.TB, port int, file, configuration string) *Rsyslog {
	t.Helper()
	r := &Rsyslog{Port: port, File: file, conf: filepath.Join(t.TempDir(), "rsyslog.conf")}
	writeFile(t, r.conf, configuration, 0o600)
	r.Start(t)
	return r
}

// Start runs the server again, after Kill.
func (r *Rsyslog) Start(t testing.TB) {
	t.Helper()
	r.Process = start(t, "rsyslogd", "-n", "-f", r.conf, "-i", filepath.Join(t.TempDir(), "pid")) // one that was killed leaves its own
	r.untilListening(r.Port)
}

// Received returns the messages written so far; a line still being written is
// not among them.
func (r *Rsyslog) Received() []string {
	text, err := os.ReadFile(r.File)
	if err != nil {
		return nil
	}
	lines := strings.Split(string(text), "\n")
	return lines[:len(lines)-1]
}

// StartRsyslogTLS runs rsyslogd with its gtls driver. It shows the server's
// certificate, and wants a client's from ca with the name when there is one.
func StartRsyslogTLS(t testing.TB, ca, server *Identity, client string) *Rsyslog {
	t.Helper()
	dir, port := t.TempDir(), FreePort(t)
	file, anchors := filepath.Join(dir, "received"), filepath.Join(dir, "ca.pem")
	writeFile(t, anchors, string(ca.PEM()), 0o644)
	cert, key := server.Write(dir, "server")
	who := `streamDriver.authMode="anon"`
	if client != "" {
		who = fmt.Sprintf(`streamDriver.authMode="x509/name" permittedPeer=["%s"]`, client)
	}
	return StartRsyslogWith(t, port, file, fmt.Sprintf(`global(workDirectory="%s" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="%s" defaultNetstreamDriverCertFile="%s" defaultNetstreamDriverKeyFile="%s")
module(load="imtcp" maxSessions="1000" streamDriver.name="gtls" streamDriver.mode="1" %s)
template(name="asItCame" type="string" string="%%rawmsg%%\n")
ruleset(name="keep" queue.type="direct") {
  action(type="omfile" file="%s" template="asItCame" asyncWriting="off")
}
input(type="imtcp" address="127.0.0.1" port="%d" ruleset="keep" name="in")
`, dir, anchors, cert, key, who, file, port))
}
