package seal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

var algorithms = []Algorithm{Ed25519, ECDSAP384}

func TestAKeySurvivesItsFile(t *testing.T) {
	for _, algorithm := range algorithms {
		key := mustKey(t, algorithm)
		text, err := key.MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := again.Sign([]byte("message"))
		if err != nil {
			t.Fatal(err)
		}
		public, err := ParsePublicKey(key.Public().String())
		if err != nil {
			t.Fatal(err)
		}
		if again.Public() != key.Public() || public != key.Public() || !public.Verify([]byte("message"), sig) {
			t.Errorf("%s: another key came back", algorithm)
		}
		for _, bad := range [][]byte{sig[1:], append(sig, 0), nil, bytes.Repeat([]byte{0}, len(sig))} {
			if public.Verify([]byte("message"), bad) {
				t.Errorf("%s: accepted %x", algorithm, bad)
			}
		}
		if public.Verify([]byte("another"), sig) {
			t.Errorf("%s: accepted for another message", algorithm)
		}
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(public.String()))); public.Fingerprint() != want {
			t.Errorf("fingerprint %s, sha256sum says %s", public.Fingerprint(), want)
		}
	}
}

func TestAPrivateKeyNeverShows(t *testing.T) {
	for _, algorithm := range algorithms {
		key := mustKey(t, algorithm)
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&out, verb+" ", key)
			fmt.Fprintf(&out, verb+" ", struct{ K *PrivateKey }{key})
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("key", "key", key)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", key)
		if err := json.NewEncoder(&out).Encode(key); err != nil {
			t.Fatal(err)
		}
		text, _ := key.MarshalPEM()
		block, _ := pem.Decode(text)
		// The secret scalar is 32 or 48 bytes inside the PKCS#8 form.
		secret := block.Bytes[len(block.Bytes)-32:]
		if algorithm == ECDSAP384 {
			d, err := key.secret.(*ecdsa.PrivateKey).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			secret = d
		}
		for _, shown := range []string{string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprint(secret), "[]"),
			base64.StdEncoding.EncodeToString(secret)[:40], base64.RawURLEncoding.EncodeToString(secret)[:40]} {
			if strings.Contains(out.String(), shown) {
				t.Errorf("%s: the secret shows in %s", algorithm, out.String())
			}
		}
	}
}

func TestForeignKeysAreRefused(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	}
	good, _ := mustKey(t, Ed25519).MarshalPEM()
	for name, text := range map[string][]byte{
		"P-256": encode(p256), "RSA": encode(rsaKey), "empty": nil, "torn": good[:len(good)/2],
		"two keys": append(bytes.Clone(good), good...), "another PEM type": bytes.ReplaceAll(good, []byte(pemType), []byte("CERTIFICATE")),
	} {
		if _, err := ParsePrivateKey(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	ed, p384 := mustKey(t, Ed25519).Public().String(), mustKey(t, ECDSAP384).Public().String()
	for _, text := range []string{"", "ed25519", "ed25519:", "rsa:AAAA", ed + "=", ed + "A", ed[:len(ed)-1], " " + ed, ed + " ",
		strings.Replace(p384, "ecdsa-p384:B", "ecdsa-p384:C", 1), strings.Replace(p384, "ecdsa-p384", "ed25519", 1)} {
		if _, err := ParsePublicKey(text); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
	if _, err := GenerateKey("rsa"); err == nil {
		t.Error("generated an RSA key")
	}
}

// TestAKeyChangeCutShort names each instant between two steps of the change
// (keychange.go), and each way in which a file can be lost besides.
func TestAKeyChangeCutShort(t *testing.T) {
	old, next, third := mustKey(t, Ed25519).Public(), mustKey(t, Ed25519).Public(), mustKey(t, ECDSAP384).Public()
	none := PublicKey{}
	for _, row := range []struct {
		name  string
		files KeyFiles
		end   ChainEnd
		want  KeyStep
	}{
		{"first start", KeyFiles{none, none}, ChainEnd{}, FirstKey},
		{"first start cut short once the key was written", KeyFiles{old, none}, ChainEnd{}, UseCurrent},
		{"first change cut short before anything was signed", KeyFiles{old, next}, ChainEnd{}, UndoChange},
		{"first start, only a next key", KeyFiles{none, next}, ChainEnd{}, FirstKey},

		{"no change under way", KeyFiles{old, none}, ChainEnd{old, none}, UseCurrent},
		{"cut after step 1: written, not announced", KeyFiles{old, next}, ChainEnd{old, none}, UndoChange},
		{"cut after step 2: announced, not renamed", KeyFiles{old, next}, ChainEnd{old, next}, FinishChange},
		{"cut after step 3: renamed, not yet used", KeyFiles{next, none}, ChainEnd{old, next}, UseCurrent},
		{"step 3 failed, and the new key went on signing", KeyFiles{old, next}, ChainEnd{next, none}, FinishChange},
		{"the new key has signed", KeyFiles{next, none}, ChainEnd{next, none}, UseCurrent},
		{"cut after step 1 of the next change, the new key unused", KeyFiles{next, third}, ChainEnd{old, next}, UndoChange},
		{"the announcement was cut off the journal's end", KeyFiles{old, next}, ChainEnd{old, none}, UndoChange},

		{"announced key lost, old one there", KeyFiles{old, none}, ChainEnd{old, next}, UndoChange},
		{"another key in the announced one's place", KeyFiles{old, third}, ChainEnd{old, next}, UndoChange},
		{"old key lost, announced one there", KeyFiles{none, next}, ChainEnd{old, next}, FinishChange},
		{"old key lost, next one never announced", KeyFiles{none, next}, ChainEnd{old, none}, NewChain},
		{"both lost", KeyFiles{none, none}, ChainEnd{old, next}, NewChain},
		{"the only key lost", KeyFiles{none, none}, ChainEnd{old, none}, NewChain},
		{"a stranger's key in its place", KeyFiles{third, none}, ChainEnd{old, none}, NewChain},
		{"a stranger's key in its place, announced one there", KeyFiles{third, next}, ChainEnd{old, next}, FinishChange},
		{"keys restored from an older backup", KeyFiles{old, none}, ChainEnd{next, none}, NewChain},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := DecideKey(row.files, row.end); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

// TestNoKeyEverSignsUnannounced goes through every combination: what signs
// next is the last signer, or whom it announced, or a chain begun anew.
func TestNoKeyEverSignsUnannounced(t *testing.T) {
	keys := []PublicKey{{}, mustKey(t, Ed25519).Public(), mustKey(t, Ed25519).Public(), mustKey(t, Ed25519).Public()}
	for _, current := range keys {
		for _, next := range keys {
			for _, signer := range keys[1:] {
				for _, announced := range keys {
					files, end := KeyFiles{current, next}, ChainEnd{signer, announced}
					var signs PublicKey
					switch step := DecideKey(files, end); step {
					case UseCurrent, UndoChange:
						signs = current
					case FinishChange:
						signs = next
					case NewChain:
						if current == signer || !announced.IsZero() && (current == announced || next == announced) {
							t.Errorf("%v %v: a new chain though the old one could go on", files, end)
						}
						continue
					default:
						t.Errorf("%v %v: %s", files, end, step)
					}
					if signs.IsZero() || signs != signer && signs != announced {
						t.Errorf("%v %v: %s signs", files, end, signs)
					}
				}
			}
		}
	}
}
