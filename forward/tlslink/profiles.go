package tlslink

import "crypto/tls"

// What Common Criteria let a ClientHello offer, as far as crypto/tls can be told.
// The suites of TLS 1.3 are its own: with the FIPS 140-3 module in force, without
// which no profile starts, TLS_AES_128_GCM_SHA256 and TLS_AES_256_GCM_SHA384. So are
// the signature algorithms, in which Ed25519 is always one.
var (
	// NDcPP22e is FCS_TLSC_EXT.1 of the Network Device cPP 2.2e, and FCS_TLSC_EXT.1 of
	// the TLS package 1.1, which the GPOS PP 4.3 uses: neither knows TLS 1.3.
	NDcPP22e = Profile{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: gcmSuites, Curves: nistCurves}
	// NDcPP30 is FCS_TLSC_EXT.1 of the Network Device cPP 3.0e.
	NDcPP30 = Profile{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13, CipherSuites: gcmSuites, Curves: nistCurves}
	// TLSPackage21 is FCS_TLSC_EXT.1 of the Functional Package for TLS 2.1, which NDcPP
	// 4.0 and the GPOS PP 5.0 use: CNSA 1.0.
	TLSPackage21 = Profile{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13, CipherSuites: gcmSuites[:2], Curves: nistCurves[1:]}

	gcmSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	}
	nistCurves = []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}
)

// Within is what both p and q offer of TLS versions, and otherwise p's.
func (p Profile) Within(q Profile) Profile {
	if q.MinVersion > p.MinVersion {
		p.MinVersion = q.MinVersion
	}
	if q.MaxVersion != 0 && q.MaxVersion < p.MaxVersion {
		p.MaxVersion = q.MaxVersion
	}
	return p
}
