package tlslink

import (
	"crypto/fips140"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"auditbridge/internal/keyfile"
	"auditbridge/internal/peertest"
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
			held, err := s.cfg.Look()
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
		if got := otherMeans([]byte(text)); got != nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}
