package journal

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/seal"
)

// A line that passes for a block line, should one ever come in, is content: a
// start goes on behind it, nobody skips a record for it, and the seal covers it.
func TestALineThatPassesForABlockLineIsContent(t *testing.T) {
	key, err := seal.GenerateKey(seal.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, line string }{
		{"malformed", "type=DAEMON_CONFIG msg=audit(1.000:4278190080): op=block auid=1 "},
		{"of no lines", forged(t, 1, nil, nil)},
		{"with the right lines", forged(t, 1, record(1), nil)},
		{"with a number far beyond", forged(t, 1<<60, record(1), nil)},
		{"with somebody's signature", forged(t, 1, record(1), key)},
	} {
		for _, end := range []string{"stopped", "killed", "killed, nothing else behind it"} {
			t.Run(row.name+", "+end, func(t *testing.T) {
				cfg, r := testConfig(t), newMemRing()
				j := mustOpen(t, cfg, r)
				r.feed(1, 1)
				r.add(row.line)
				if end != "killed, nothing else behind it" {
					r.feed(2, 400)
					r.add(row.line)
				}
				r.drain(t, j)
				if err := j.sync.flush(); err != nil {
					t.Fatal(err)
				}
				durable := j.Mark().Durable()
				if end == "stopped" {
					if err := j.finish(); err != nil {
						t.Fatal(err)
					}
				}
				j.Close()
				before, _ := readJournal(cfg) // the seal does not cover all of it yet
				j = mustOpen(t, cfg, newMemRing())
				if err := j.finish(); err != nil {
					t.Fatal(err)
				}
				j.Close()
				after := checkJournal(t, cfg)
				for s := auditbridge.Sequence(1); s <= durable; s++ {
					if before.lines[s] == "" || after.lines[s] != before.lines[s] {
						t.Fatalf("sequence %d was %q, is %q", s, before.lines[s], after.lines[s])
					}
				}
				all := strings.Join(after.ours, "\n")
				for _, op := range []string{"op=damage ", "op=cut ", "op=gap "} {
					if strings.Contains(all, op) {
						t.Errorf("%s is on record:\n%s", op, all)
					}
				}
				if !after.report.Verified {
					t.Errorf("not verified: %+v", after.report.Chains[0])
				}
			})
		}
	}
}

// forged is a block line as somebody would write it who knows everything but the
// chain.
func forged(t *testing.T, first auditbridge.Sequence, lines []byte, signer seal.Signer) string {
	t.Helper()
	b := seal.Block{At: time.UnixMilli(1), Serial: auditbridge.FirstNoteSerial, Boot: "x", Source: "plugin", First: first,
		N: uint64(bytes.Count(lines, lf)), SHA256: sha256.Sum256(lines), Prev: seal.Hash{1}}
	line, err := seal.AppendBlock(nil, &b, signer)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(line), "\n")
}

// add publishes one line.
func (r *memRing) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data = fmt.Appendln(r.data, line)
	signal(r.wake)
}
