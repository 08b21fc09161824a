package seal

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"time"
)

func exampleBlock() Block {
	return Block{
		At: time.UnixMilli(1709742929678), Serial: 0xFF000007, PID: 812,
		First: 41, N: 3, Boot: "5f2b1c3a-0d5e-4a7b-9b5e-2f1f6f0c9d11", BootTime: 93*time.Second + 42*time.Millisecond,
		Source: "kernel", SHA256: sha256.Sum256([]byte("x")), Prev: sha256.Sum256([]byte("y")),
	}
}

func mustKey(t testing.TB, algorithm Algorithm) *PrivateKey {
	t.Helper()
	key, err := GenerateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestBlockLineReadsBackAsWritten(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Block)
		signer Signer
	}{
		{"a plain block", func(*Block) {}, nil},
		{"an empty block", func(b *Block) { b.N = 0 }, nil},
		{"a journal's first", func(b *Block) { b.First, b.Prev = 1, Hash{} }, nil},
		{"a source with a path", func(b *Block) { b.Source = "file:/var/log/my audit%2f.log\x1b=ü" }, nil},
		{"with its hash line by line", func(b *Block) { b.Steps = "AAA-_9xyz" }, nil},
		{"an ed25519 checkpoint", func(*Block) {}, mustKey(t, Ed25519)},
		{"an ecdsa-p384 checkpoint", func(*Block) {}, mustKey(t, ECDSAP384)},
		{"a checkpoint with relays", func(b *Block) {
			b.Relays = []RelayPosition{{"siem", 40}, {"a,b:c d", 0}}
		}, mustKey(t, Ed25519)},
		{"a checkpoint that announces a key", func(b *Block) { b.Next = mustKey(t, ECDSAP384).Public() }, mustKey(t, Ed25519)},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := exampleBlock()
			row.change(&b)
			line, err := AppendBlock([]byte("before "), &b, row.signer)
			if err != nil {
				t.Fatal(err)
			}
			line = bytes.TrimPrefix(line, []byte("before "))
			got, err := ParseBlock(line)
			if err != nil {
				t.Fatalf("%v\n%s", err, line)
			}
			if again := append(got.appendTo(nil), '\n'); !bytes.Equal(again, line) {
				t.Errorf("wrote %s\nread  %s", line, again)
			}
			if got.Verify(line) != (row.signer != nil) || got.Signed() != (row.signer != nil) {
				t.Errorf("verify %v, signed %v of\n%s", got.Verify(line), got.Signed(), line)
			}
		})
	}
}

func TestBlockLineIsRefused(t *testing.T) {
	b := exampleBlock()
	b.Next = mustKey(t, Ed25519).Public()
	raw, err := AppendBlock(nil, &b, mustKey(t, Ed25519))
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	cut := func(key string) string {
		before, after, _ := strings.Cut(good, " "+key+"=")
		return before + after[strings.IndexByte(after, ' '):]
	}
	for _, row := range []struct{ name, line string }{
		{"when it is of another type", strings.Replace(good, "DAEMON_CONFIG", "USER", 1)},
		{"with a field twice", strings.Replace(good, " n=3", " n=3 n=3", 1)},
		{"with a later field that changes an earlier", strings.Replace(good, " boot=", " first=99 boot=", 1)},
		{"with an unknown field", strings.Replace(good, " boot=", " colour=red boot=", 1)},
		{"with fields in another order", strings.Replace(good, "first=41 n=3", "n=3 first=41", 1)},
		{"with two blanks", strings.Replace(good, " n=3", "  n=3", 1)},
		{"with a blank at the end", strings.TrimSuffix(good, "\n") + " \n"},
		{"with a CR", strings.TrimSuffix(good, "\n") + "\r\n"},
		{"with a sign in a number", strings.Replace(good, "n=3", "n=+3", 1)},
		{"with a leading zero", strings.Replace(good, "n=3", "n=03", 1)},
		{"with upper-case hash", strings.Replace(good, "sha256=2d", "sha256=2D", 1)},
		{"with fewer steps than lines", strings.Replace(good, " next=", " steps=AAABBB next=", 1)},
		{"with steps of other characters", strings.Replace(good, " next=", " steps=AAABBBCC+ next=", 1)},
		{"with empty steps", strings.Replace(good, " next=", " steps= next=", 1)},
		{"with a short hash", strings.Replace(good, "sha256=2d", "sha256=", 1)},
		{"when a key lacks its signature", cut("sig")},
		{"when a signature lacks its key", cut("key")},
		{"with an unknown algorithm", strings.Replace(good, "key=ed25519:", "key=md5:", 1)},
		{"with another algorithm's name on the key", strings.Replace(good, "key=ed25519:", "key=ecdsa-p384:", 1)},
		{"with a serial that is the kernel's", strings.Replace(good, "4278190087", "17", 1)},
		{"from sequence zero", strings.Replace(good, "first=41", "first=0", 1)},
		{"when its range wraps", strings.Replace(good, "n=3", "n=18446744073709551615", 1)},
		{"when res is not success", strings.Replace(good, "res=success", "res=failed", 1)},
		{"when cut short", good[:len(good)/2]},
		{"when empty", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.line == good {
				t.Fatal("the row changes nothing")
			}
			if _, err := ParseBlock([]byte(row.line)); err == nil {
				t.Errorf("accepted %s", row.line)
			}
		})
	}
}

func TestOnlyOurOwnTypeLooksLikeABlock(t *testing.T) {
	b := exampleBlock()
	line, _ := AppendBlock(nil, &b, nil)
	forged := "type=USER msg=audit(1709742929.678:9): pid=1 uid=0 auid=0 ses=1 msg='" + string(line)
	for text, want := range map[string]bool{
		string(line): true,
		forged:       false,
		"type=DAEMON_CONFIG msg=audit(1.000:4278190080): op=config res=success":   false,
		"type=DAEMON_CONFIG msg=audit(1.000:4278190080): x='y'): op=block first=": false,
	} {
		if got := LooksLikeBlock([]byte(text)); got != want {
			t.Errorf("%v for %s", got, text)
		}
	}
}

func FuzzParseBlock(f *testing.F) {
	b := exampleBlock()
	b.Relays = []RelayPosition{{"siem", 40}}
	for _, signer := range []Signer{nil, mustKey(f, Ed25519), mustKey(f, ECDSAP384)} {
		if signer == nil {
			b.Relays = nil
		}
		line, err := AppendBlock(nil, &b, signer)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
		b.Next = mustKey(f, Ed25519).Public()
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, err := ParseBlock(line)
		if err != nil {
			return
		}
		if want := bytes.TrimSuffix(line, []byte{'\n'}); !bytes.Equal(got.appendTo(nil), want) {
			t.Fatalf("%q became %q", want, got.appendTo(nil))
		}
		if !LooksLikeBlock(line) {
			t.Fatalf("%q parses and does not look like a block line", line)
		}
		got.Verify(line)
	})
}
