package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// inPKCS12 is the certificate with its key as openssl exports them.
func inPKCS12(t *testing.T, dir, name, password string, i *peertest.Identity, more ...string) (file, passwordFile string) {
	t.Helper()
	cert, key := i.Write(t.TempDir(), name)
	file, passwordFile = filepath.Join(dir, name+".p12"), filepath.Join(dir, name+".password")
	must(t, os.WriteFile(passwordFile, []byte(password+"\n"), 0o600))
	args := append([]string{"pkcs12", "-export", "-in", cert, "-out", file, "-passout", "file:" + passwordFile}, more...)
	if !slices.Contains(more, "-nokeys") {
		args = append(args, "-inkey", key)
	}
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	must(t, os.Chmod(file, 0o600))
	return file, passwordFile
}

// placed are the files that the command has put beside the configuration.
func (d *instance) placed() []string {
	files, err := filepath.Glob(filepath.Join(d.dir, "tls", "*client-certificate-*"))
	must(d.t, err)
	return files
}

// TestClientCertificateByCommand: what openssl exports is taken, shown to a stock
// rsyslog that wants exactly that name, shown to who asks, replaced, and erased; each
// time on record by its name, and its key never seen.
func TestClientCertificateByCommand(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	far := peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "127.0.0.1"), "audited.example.org")
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("siem", far.Port, `format = "audit"`, d.tlsFiles(ca, nil)))
	d.unseeing()
	d.start()
	d.feed(mixed)
	well := func(says string, args ...string) string {
		t.Helper()
		out, errs, code := auditbridgeCommand(t, append([]string{"remote", "client-certificate", "--config", d.config}, args...)...)
		if code != 0 || !strings.Contains(out, says) || strings.Contains(out+errs, "PRIVATE KEY") {
			t.Fatalf("%q exits %d and says %q %q, want %q", args, code, out, errs, says)
		}
		return out
	}
	first := ca.Client("audited.example.org", nil)
	pfx, password := inPKCS12(t, d.dir, "first", "s3cret", first)

	well("client-certificate: changed\n", "set", "--pkcs12-file", pfx, "--pkcs12-password-file", password)
	serial := first.Cert.SerialNumber.Text(16)
	d.onRecord("op=config ", fmt.Sprintf(" uid=%d ", os.Getuid()), " key=syslog.certificate-file.holds ", serial, " res=success")
	d.untilDelivered()
	files := d.placed()
	if len(files) != 2 {
		t.Fatalf("placed: %q", files)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		must(t, err)
		if strings.HasSuffix(file, ".key") && (info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 65534) {
			t.Errorf("%s is mode %v of uid %d", file, info.Mode(), info.Sys().(*syscall.Stat_t).Uid)
		}
	}
	well("client-certificate: unchanged\n", "set", "--pkcs12-file", pfx, "--pkcs12-password-file", password)
	piped := program("remote", "client-certificate", "--config", d.config, "set", "--pkcs12-file", pfx, "--pkcs12-password-file", "-")
	piped.Stdin = strings.NewReader("s3cret\n")
	if out, err := piped.CombinedOutput(); err != nil || string(out) != "client-certificate: unchanged\n" {
		t.Errorf("by a pipe: %v: %s", err, out)
	}

	var shown struct {
		Subject, Issuer, Serial, SHA256 string
		NotAfter                        time.Time `json:"not-after"`
	}
	must(t, json.Unmarshal([]byte(well("{", "get", "--json")), &shown))
	sum := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(first.Cert.Raw)), " ", ":")
	if shown.Subject != "CN=audited.example.org" || shown.Issuer != "CN=Root" || shown.Serial != serial || shown.SHA256 != sum || !shown.NotAfter.Equal(first.Cert.NotAfter) {
		t.Errorf("get shows %+v", shown)
	}
	well(sum, "get")

	second := ca.Client("audited.example.org", nil)
	cert, key := second.Write(d.dir, "second")
	well("client-certificate: changed\n", "set", "--certificate-file", cert, "--key-file", key)
	d.until("the second is shown", func(s status.Status) bool {
		to := s.Destinations[0]
		return to.Connected && to.TLS != nil && to.TLS.Own != nil && to.TLS.Own.Serial == second.Cert.SerialNumber.Text(16)
	})
	if now := d.placed(); len(now) != 2 || slices.Contains(now, files[0]) || slices.Contains(now, files[1]) {
		t.Errorf("after the first was replaced: %q", now)
	}

	well("client-certificate: changed\n", "remove")
	d.onRecord("op=config ", " key=syslog.certificate-file.holds ", "CN=audited.example.org", second.Cert.SerialNumber.Text(16), " new=? ")
	if left := d.placed(); len(left) != 0 {
		t.Errorf("left after remove: %q", left)
	}
	well("client-certificate: unchanged\n", "remove")
	if _, errs, code := auditbridgeCommand(t, "remote", "client-certificate", "--config", d.config, "get"); code != 1 || !strings.Contains(errs, "no client certificate") {
		t.Errorf("get of what is not there exits %d: %s", code, errs)
	}
	d.stop()
	if journal := strings.Join(d.journalLines(), "\n"); strings.Contains(journal, "s3cret") || strings.Contains(journal, "PRIVATE") {
		t.Error("a secret is on record")
	}
}

// TestClientCertificatesThatAreRefused: each for a reason of its own; nothing is
// written, and the one in force stays so.
func TestClientCertificatesThatAreRefused(t *testing.T) {
	t.Parallel()
	ca, other := peertest.NewCA(t, "Root", nil), peertest.NewCA(t, "Other root", nil)
	far := peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "127.0.0.1"), "audited.example.org")
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("siem", far.Port, `format = "audit"`, d.tlsFiles(ca, nil)))
	own := ca.Client("audited.example.org", nil)
	pfx, password := inPKCS12(t, d.dir, "own", "s3cret", own)
	set := func(args ...string) (string, int) {
		_, errs, code := auditbridgeCommand(t, append([]string{"remote", "client-certificate", "--config", d.config, "set"}, args...)...)
		return errs, code
	}
	if errs, code := set("--pkcs12-file", pfx, "--pkcs12-password-file", password); code != 0 {
		t.Fatalf("set exits %d: %s", code, errs)
	}
	before := d.placed()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(d.dir, name)
		must(t, os.WriteFile(file, []byte(text), mode))
		return file
	}
	wrong := write("wrong", "s4cret\n", 0o600)
	open := write("open", "s3cret\n", 0o640)
	keyless, keylessPassword := inPKCS12(t, d.dir, "keyless", "s3cret", own, "-nokeys")
	stranger, strangerPassword := inPKCS12(t, d.dir, "stranger", "s3cret", other.Client("audited.example.org", nil))
	past, pastPassword := inPKCS12(t, d.dir, "past", "s3cret", ca.Client("audited.example.org", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }))
	future, futurePassword := inPKCS12(t, d.dir, "future", "s3cret", ca.Client("audited.example.org", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }))
	cert, _ := own.Write(d.dir, "own")
	_, another := ca.Client("audited.example.org", nil).Write(d.dir, "another")
	for name, row := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"a wrong password":     {[]string{"--pkcs12-file", pfx, "--pkcs12-password-file", wrong}, 1, []string{"does not open"}},
		"a password to read":   {[]string{"--pkcs12-file", pfx, "--pkcs12-password-file", open}, 1, []string{"0640"}},
		"no private key":       {[]string{"--pkcs12-file", keyless, "--pkcs12-password-file", keylessPassword}, 1, []string{"no private key"}},
		"of another root":      {[]string{"--pkcs12-file", stranger, "--pkcs12-password-file", strangerPassword}, 2, []string{"CN=Root", "CN=Other root"}},
		"expired":              {[]string{"--pkcs12-file", past, "--pkcs12-password-file", pastPassword}, 1, []string{"has expired"}},
		"of the future":        {[]string{"--pkcs12-file", future, "--pkcs12-password-file", futurePassword}, 1, []string{"not valid before"}},
		"another's key":        {[]string{"--certificate-file", cert, "--key-file", another}, 1, []string{"not that of the certificate"}},
		"half of it":           {[]string{"--certificate-file", cert}, 2, []string{"--key-file"}},
		"both kinds":           {[]string{"--pkcs12-file", pfx, "--certificate-file", cert, "--key-file", another}, 2, []string{"either"}},
		"a password for a PEM": {[]string{"--certificate-file", cert, "--key-file", another, "--pkcs12-password-file", password}, 2, []string{"either"}},
	} {
		errs, code := set(row.args...)
		if code != row.code || strings.Contains(errs, "s3cret") || strings.Contains(errs, "s4cret") {
			t.Errorf("%s: exits %d: %s", name, code, errs)
		}
		for _, word := range row.says {
			if !strings.Contains(errs, word) {
				t.Errorf("%s: nothing of %q: %s", name, word, errs)
			}
		}
		if now := d.placed(); !slices.Equal(now, before) {
			t.Errorf("%s: placed are %q, not %q", name, now, before)
		}
	}

	dropIn := filepath.Join(d.dir, "conf.d", "client-certificate.toml")
	made, err := os.ReadFile(dropIn)
	must(t, err)
	byHand := string(made) + "format = \"cef\"\n"
	must(t, os.WriteFile(dropIn, []byte(byHand), 0o644))
	if errs, code := set("--pkcs12-file", pfx, "--pkcs12-password-file", password); code != 1 || !strings.Contains(errs, "a person wrote") {
		t.Errorf("what a person wrote: exits %d: %s", code, errs)
	}
	if now, _ := os.ReadFile(dropIn); string(now) != byHand {
		t.Errorf("what a person wrote is now\n%s", now)
	}
	must(t, os.WriteFile(dropIn, made, 0o644))

	must(t, os.Chmod(d.config, 0o644))
	cmd := program("remote", "client-certificate", "--config", d.config, "remove")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "permission denied") {
		t.Errorf("as nobody remove exits %d: %s", cmd.ProcessState.ExitCode(), out)
	}
	if now := d.placed(); !slices.Equal(now, before) {
		t.Errorf("somebody without the right to has removed something: %q", now)
	}
}
