package tlslink

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// TestClientHelloOfAProfile: what goes over the wire is what a profile lists. The
// FIPS 140-3 module has to be in force, as under a profile it is, so a child does it.
func TestClientHelloOfAProfile(t *testing.T) {
	t.Run("T-TLS-HELLO", func(t *testing.T) {
		if os.Getenv("GODEBUG") != "fips140=on" {
			child := exec.Command(os.Args[0], "-test.run=^TestClientHelloOfAProfile$", "-test.v")
			child.Env = append(os.Environ(), "GODEBUG=fips140=on")
			if out, err := child.CombinedOutput(); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			return
		}
		for name, p := range map[string]Profile{"ndcpp22e, gpos43": NDcPP22e, "ndcpp30": NDcPP30, "ndcpp40, gpos50": TLSPackage21} {
			t.Run(name, func(t *testing.T) { offersExactly(t, p) })
		}
	})
}

func offersExactly(t *testing.T, p Profile) {
	hello := helloOf(t, p)
	suites, versions := slices.Clone(p.CipherSuites), []uint16{tls.VersionTLS12}
	if p.MaxVersion == tls.VersionTLS13 {
		suites = append(suites, tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384)
		versions = append(versions, tls.VersionTLS13)
	}
	same := func(what string, got, want []uint16) {
		t.Helper()
		got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
		if !slices.Equal(got, want) {
			t.Errorf("%s: offered %#x, want %#x", what, got, want)
		}
	}
	same("cipher suites", hello.CipherSuites, suites)
	same("versions", hello.SupportedVersions, versions)
	same("groups", numbers(hello.SupportedCurves), numbers(p.Curves))
	same("signature algorithms", numbers(hello.SignatureSchemes), numbers(signatures))
	for extension, name := range map[uint16]string{42: "early_data", 49: "post_handshake_auth", 41: "pre_shared_key"} {
		if slices.Contains(hello.Extensions, extension) {
			t.Errorf("offers %s", name)
		}
	}
}

// signatures are what crypto/tls offers in FIPS mode, and leaves to nobody: the last is
// the deviation that docs/common-criteria.md names.
var signatures = []tls.SignatureScheme{
	tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512,
	tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
	tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512,
	tls.Ed25519,
}

func numbers[T ~uint16](names []T) (all []uint16) {
	for _, n := range names {
		all = append(all, uint16(n))
	}
	return all
}

// helloOf is the ClientHello that a server gets to see.
func helloOf(t *testing.T, p Profile) *tls.ClientHelloInfo {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	seen := make(chan *tls.ClientHelloInfo, 1)
	go tls.Server(there, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		seen <- hello
		there.Close()
		return nil, errors.New("seen")
	}}).Handshake()
	c := Config{ServerName: "siem.example", Profile: p}.withDefaults()
	go tls.Client(here, c.library(&verifier{trust: &material{}}, &Conn{}, new(bool))).Handshake()
	return <-seen
}
