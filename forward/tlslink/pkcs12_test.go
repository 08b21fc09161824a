package tlslink

import (
	"bytes"
	"crypto/fips140"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditbridge/internal/keyfile"
	"auditbridge/internal/peertest"

	"software.sslmate.com/src/go-pkcs12"
)

// TestPKCS12UnderFIPS: what stock openssl exports is read wherever the FIPS 140-3 module
// is in force, strictly or not; what RC2, 3DES and SHA-1 protect is refused there by
// name, with the command that makes one that is read. That it is in force is a
// process's property, so this test runs itself anew. Elsewhere all of it is read.
func TestPKCS12UnderFIPS(t *testing.T) {
	t.Parallel()
	const child = "AUDITBRIDGE_TEST_PKCS12"
	if os.Getenv(child) == "" {
		for _, mode := range []string{"off", "on", "only"} {
			t.Run("fips140="+mode, func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(os.Args[0], "-test.run=^TestPKCS12UnderFIPS$", "-test.v")
				cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=fips140="+mode)
				if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestPKCS12UnderFIPS/as_the_hint_says") {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
		return
	}
	ca := peertest.NewCA(t, "Root", nil)
	own := ca.CA("Between", nil).Client("auditbridge", nil)
	dir := t.TempDir()
	cert, key := own.Write(dir, "client")
	rows := map[string]struct {
		args  string
		means []string // that are refused
	}{
		"as openssl has it":           {"", nil},
		"as the hint says":            {"-keypbe AES-256-CBC -certpbe AES-256-CBC -macalg SHA256", nil},
		"another hash, a smaller key": {"-keypbe AES-128-CBC -certpbe AES-192-CBC -macalg SHA512", nil},
		"without a MAC":               {"-nomac", nil},
		"as openssl 1 had it":         {"-legacy", []string{"3DES", "RC2", "SHA-1"}},
		"the key by 3DES":             {"-keypbe PBE-SHA1-3DES", []string{"3DES"}},
		"the certificates by RC2":     {"-legacy -certpbe PBE-SHA1-RC2-128 -keypbe AES-256-CBC -macalg SHA256", []string{"RC2"}},
		"the MAC by SHA-1":            {"-macalg SHA1", []string{"SHA-1"}},
		"3DES by another way":         {"-keypbe DES-EDE3-CBC", []string{"3DES"}},
		"the certificates open, 3DES": {"-certpbe NONE -keypbe PBE-SHA1-3DES", []string{"3DES"}},
		"the certificates open, AES":  {"-certpbe NONE", nil},
		"no password":                 {"-passout pass:", nil},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, ca)
			s.cfg.PKCS12File, s.cfg.PasswordFile = s.write("client.p12", nil, 0o600), s.write("password", []byte("s3cret\n"), 0o600)
			args := append([]string{"pkcs12", "-export", "-in", cert, "-inkey", key, "-out", s.cfg.PKCS12File, "-passout", "file:" + s.cfg.PasswordFile}, strings.Fields(row.args)...)
			if strings.Contains(row.args, "-passout") {
				s.cfg.PasswordFile = ""
			}
			if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
				t.Fatalf("openssl %q: %v: %s", row.args, err, out)
			}
			held, err := new(Viewer).Look(s.cfg)
			switch {
			case fips140.Enabled() && row.means != nil:
				fileError(t, err, "pkcs12-file", "protected by "+strings.Join(row.means, ", ")+", which the FIPS 140-3 module")
				if _, command, found := strings.Cut(rows["as the hint says"].args, "-keypbe"); !found || !strings.Contains(err.(*keyfile.Error).Advice, "-keypbe"+command) {
					t.Errorf("%v: it is made by %q", err, err.(*keyfile.Error).Advice)
				}
			case err != nil && strings.Contains(row.args, "DES-EDE3") || err != nil && strings.Contains(row.args, "-nomac"): // the library's to refuse
				fileError(t, err, "pkcs12-file")
			case err != nil || held.Own.Subject != "CN=auditbridge":
				t.Errorf("%+v, %v", held, err)
			}
		})
	}
}

// A file that would keep whoever connects busy for hours is refused before it does.
func TestPKCS12ThatTakesForEver(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	own := ca.Client("auditbridge", nil)
	for name, encoder := range map[string]*pkcs12.Encoder{"old": pkcs12.LegacyDES, "new": pkcs12.Modern2023, "PBMAC1": pkcs12.Modern2026} {
		const rounds = 0x010203
		text, err := encoder.WithIterations(rounds).Encode(own.Key, own.Cert, nil, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if got := protection(text); got.rounds != rounds {
			t.Errorf("%s: %d rounds", name, got.rounds)
		}
		s := newSite(t, ca)
		s.cfg.PKCS12File = s.write("client.p12", bytes.ReplaceAll(text, []byte{2, 3, 1, 2, 3}, []byte{2, 3, 0x7f, 0xff, 0xff}), 0o600)
		s.cfg.PasswordFile = s.write("password", []byte("secret"), 0o600)
		_, err = new(Viewer).Look(s.cfg)
		fileError(t, err, "pkcs12-file", "8388607 times")
	}
}

// What is refused under FIPS is told by its shape; another shape is nobody's means.
func TestMeansOfPKCS12(t *testing.T) {
	oid := func(text string) asn1.ObjectIdentifier {
		var o asn1.ObjectIdentifier
		for part := range strings.SplitSeq(text, ".") {
			n := 0
			for _, digit := range part {
				n = 10*n + int(digit-'0')
			}
			o = append(o, n)
		}
		return o
	}
	der := func(v any) asn1.RawValue {
		text, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return asn1.RawValue{FullBytes: text}
	}
	simple := func(name string) pkix.AlgorithmIdentifier { return pkix.AlgorithmIdentifier{Algorithm: oid(name)} }
	derive := func(prf string) pkix.AlgorithmIdentifier {
		p := pbkdf2{Salt: der([]byte("salt")), Iterations: 2048}
		if prf != "" {
			p.PRF = simple(prf)
		}
		return pkix.AlgorithmIdentifier{Algorithm: oid(oidPBKDF2), Parameters: der(p)}
	}
	both := func(scheme string, derive, use pkix.AlgorithmIdentifier) pkix.AlgorithmIdentifier {
		return pkix.AlgorithmIdentifier{Algorithm: oid(scheme), Parameters: der(twoMeans{derive, use})}
	}
	const aes, sha256 = "2.16.840.1.101.3.4.1.42", "1.2.840.113549.2.9"
	for name, row := range map[string]struct {
		of   pkix.AlgorithmIdentifier
		want []string
	}{
		"AES by PBKDF2 with HMAC-SHA-256": {both(oidPBES2, derive(sha256), simple(aes)), nil},
		"a MAC by PBKDF2":                 {both(oidPBMAC1, derive(sha256), simple(sha256)), nil},
		"PBKDF2 by its default":           {both(oidPBES2, derive(""), simple(aes)), []string{"HMAC-SHA-1"}},
		"both":                            {both(oidPBES2, derive("1.2.840.113549.2.7"), simple("1.2.840.113549.3.7")), []string{"HMAC-SHA-1", "3DES"}},
		"scrypt":                          {both(oidPBES2, simple("1.3.6.1.4.1.11591.4.11"), simple(aes)), []string{"scrypt"}},
		"one that nobody knows":           {simple("1.2.3"), []string{"the algorithm 1.2.3"}},
		"PBES2 of another shape":          {simple(oidPBES2), []string{"the algorithm " + oidPBES2}},
	} {
		if got := unapproved(row.of); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
	for _, text := range []string{"", "hello", "0\x80\x00\x00"} {
		if got := protection([]byte(text)); got.others != nil || got.rounds != 0 {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// Whatever is in a file, to read it comes to an end, and is an error or a certificate.
func FuzzPKCS12(f *testing.F) {
	ca := peertest.NewCA(f, "Root", nil)
	own := ca.Client("auditbridge", nil)
	for _, encoder := range []*pkcs12.Encoder{pkcs12.LegacyRC2, pkcs12.LegacyDES, pkcs12.Modern2023, pkcs12.Modern2026, pkcs12.Passwordless} {
		text, err := encoder.WithIterations(2).Encode(own.Key, own.Cert, nil, "")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if protection(text).rounds > 10_000 {
			return
		}
		if in, err := decodePKCS12(text, ""); err == nil && len(in.chain) == 0 {
			t.Error("neither a certificate nor an error")
		}
	})
}

// Who checks a configuration opens a PKCS#12 file once, however many destinations name it
// and whatever is asked of it; one that was replaced is another.
func TestAPKCS12FileIsOpenedOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := peertest.NewCA(t, "Root", nil)
	file := func(client *peertest.Identity) []byte {
		text, err := pkcs12.Modern.Encode(client.Key, client.Cert, nil, "s3cret")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first, second := ca.Client("first", nil), ca.Client("second", nil)
	c := Config{CAFile: write("ca.pem", ca.PEM()), PKCS12File: write("own.p12", file(first)), PasswordFile: write("password", []byte("s3cret\n"))}
	v := new(Viewer)
	shown := func() string {
		t.Helper()
		held, err := v.Look(c)
		if err != nil {
			t.Fatal(err)
		}
		return held.Own.Subject
	}
	if got := shown(); got != "CN=first" || len(v.Contents(c)) != 3 || len(v.seen) != 1 {
		t.Errorf("%s is ours, and it was opened %d times", got, len(v.seen))
	}
	for of, remembered := range v.seen {
		remembered.in = opened{second.Key, []*x509.Certificate{second.Cert}}
		v.seen[of] = remembered
	}
	if got := shown(); got != "CN=second" {
		t.Errorf("it was opened again, for %s", got)
	}
	write("own.p12", file(ca.Client("third", nil)))
	if got := shown(); got != "CN=third" {
		t.Errorf("it was replaced, and %s is ours", got)
	}
	write("password", []byte("s4cret\n"))
	for range 2 {
		if _, err := v.Look(c); err == nil || !strings.Contains(err.Error(), "does not open") {
			t.Errorf("with another password: %v", err)
		}
	}
	if len(v.seen) != 3 {
		t.Errorf("it was opened %d times, want one for each file and password", len(v.seen))
	}
}
