package tunnel

import (
	"slices"

	"golang.org/x/crypto/ssh"
)

// Algorithms is what is offered to an SSH server and believed of it, best
// first, under the names of RFC 4250 section 4.11 and OpenSSH's PROTOCOL. A list
// that is nil is Modern's.
type Algorithms struct {
	KeyExchanges []string `json:"key-exchanges"`
	Ciphers      []string `json:"ciphers"`
	MACs         []string `json:"macs"`       // empty where each cipher authenticates by itself
	Signatures   []string `json:"signatures"` // with which a host key and our own key may sign
	MinRSA       int      `json:"min-rsa"`    // bits of the shortest RSA key used or believed
}

// Modern is what is offered where nobody demands a list: nothing with SHA-1,
// CBC, or encrypt-and-MAC, and AES-GCM before all, for it is what the processor
// helps with. RFC 8332, RFC 5656, RFC 8709, RFC 8731.
var Modern = Algorithms{
	KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521, ssh.KeyExchangeECDHP256},
	Ciphers:      []string{ssh.CipherAES256GCM, ssh.CipherAES128GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES256CTR, ssh.CipherAES128CTR},
	MACs:         []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
	Signatures:   []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
	MinRSA:       2048,
}

func (a Algorithms) withDefaults() Algorithms {
	for _, list := range []struct {
		value    *[]string
		fallback []string
	}{
		{&a.KeyExchanges, Modern.KeyExchanges}, {&a.Ciphers, Modern.Ciphers}, {&a.MACs, Modern.MACs}, {&a.Signatures, Modern.Signatures},
	} {
		if *list.value == nil {
			*list.value = list.fallback
		}
	}
	if a.MinRSA == 0 {
		a.MinRSA = Modern.MinRSA
	}
	return a
}

// macs is MACs as x/crypto/ssh wants it: it takes an empty list for its own
// defaults, and drops a name that it does not know.
func (a Algorithms) macs() []string {
	if len(a.MACs) == 0 {
		return []string{"no MAC beside the cipher's own"}
	}
	return a.MACs
}

// signsWith holds, per type of key, all it could sign with and be believed. A
// type that is not here is refused on either side; so are OpenSSH certificates.
var signsWith = map[string][]string{
	ssh.KeyAlgoED25519:  {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256: {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384: {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521: {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoRSA:      {ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// of returns what a key of that type may sign with, in our order; none where it
// may not be used at all.
func (a Algorithms) of(keyType string) (algorithms []string) {
	for _, name := range a.Signatures {
		if slices.Contains(signsWith[keyType], name) {
			algorithms = append(algorithms, name)
		}
	}
	return algorithms
}

// The lists that Common Criteria demand, less what x/crypto/ssh cannot do or its
// FIPS 140-3 module takes away (the Diffie-Hellman groups, RFC 6187's x509v3 keys).
// "Offers only these" is tested byte for byte, so nothing is added to them.
var (
	// NDcPP22e is FCS_SSHC_EXT.1 of the Network Device cPP 2.2e.
	NDcPP22e = Algorithms{
		KeyExchanges: []string{ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521, ssh.KeyExchangeECDHP256},
		Ciphers:      []string{ssh.CipherAES256GCM, ssh.CipherAES128GCM, ssh.CipherAES256CTR, ssh.CipherAES128CTR},
		MACs:         []string{ssh.HMACSHA256, ssh.HMACSHA512},
		Signatures:   []string{ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
		MinRSA:       2048,
	}
	// SSHPackage10 is FCS_SSH_EXT.1 of the Functional Package for SSH 1.0, which
	// NDcPP 3.0e and the GPOS PP 4.3 use.
	SSHPackage10 = Algorithms{
		KeyExchanges: NDcPP22e.KeyExchanges,
		Ciphers:      NDcPP22e.Ciphers,
		MACs:         NDcPP22e.MACs,
		Signatures:   append([]string{ssh.KeyAlgoED25519}, NDcPP22e.Signatures...),
		MinRSA:       2048,
	}
	// SSHPackage20 is FCS_SSH_EXT.1 of the Functional Package for SSH 2.0, which
	// NDcPP 4.0 and the GPOS PP 5.0 use. Its cipher authenticates by itself, and
	// there is no MAC to name.
	SSHPackage20 = Algorithms{
		KeyExchanges: []string{ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521},
		Ciphers:      []string{ssh.CipherAES256GCM},
		MACs:         []string{},
		Signatures:   []string{ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512},
		MinRSA:       3072,
	}
)
