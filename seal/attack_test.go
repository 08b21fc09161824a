package seal

import (
	"encoding/base64"
	"strings"
	"testing"
)

// reseal writes block lines of lines anew where they no longer fit, as someone
// does who has no key: hashes and chain are right, signatures are kept where
// they are and dropped when drop says so.
func reseal(t *testing.T, lines []string, drop bool) []string {
	t.Helper()
	w := NewWriter(1, Hash{})
	var out []string
	for _, line := range lines {
		if !LooksLikeBlock([]byte(line)) {
			w.Write([]byte(line+"\n"), 1)
			out = append(out, line)
			continue
		}
		b, err := ParseBlock([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if b.Signed() && !drop {
			out = append(out, line)
			w.prev, w.first, w.n = HashLine([]byte(line)), b.Sequence()+1, 0
			w.hash.Reset()
			w.steps = w.steps[:0]
			continue
		}
		b.Relays, b.Next = nil, PublicKey{}
		fresh, err := w.Close(nil, &b, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Closed()
		out = append(out, strings.TrimSuffix(string(fresh), "\n"))
	}
	return out
}

func without(lines []string, from, to int) []string { return splice(lines[:from], lines[to:]) }

func replaced(lines []string, i int, line string) []string {
	return splice(lines[:i], []string{line}, lines[i+1:])
}

const inserted = "type=USER_LOGIN msg=audit(1709742900.500:999): pid=1 uid=0 auid=0 ses=1 msg='acct=\"root\" res=success'"

// TestNobodyCanChangeACopyUnseen edits a stream whose key the verifier does
// not know beforehand. Blocks are 1–5, 6–10 (signed), 11–15, 16–20 (signed),
// 21–25, and 26, 27 unsealed.
func TestNobodyCanChangeACopyUnseen(t *testing.T) {
	s := fiveBlocks(t)
	l := s.lines
	other := newStream(t)
	other.event = 5000
	other.records(4).block().records(4).checkpoint().records(4).block().records(4).checkpoint()
	o := other.lines
	// Believed on first sight, since it stands first; the next block gives it away.
	foreignKey := newStream(t).records(4).block().records(4).checkpoint().lines[9]
	forged := strings.Replace(l[14], "type=DAEMON_CONFIG", "type=USER", 1)
	for _, row := range []struct {
		name        string
		lines       []string
		want        Verdict
		reason      Reason
		first, last int
		record      int // the first that is known to be bad; 0: first
	}{
		{"a changed record", replaced(l, 11, strings.Replace(l[11], "exit=", "exit=-", 1)), Bad, RecordChanged, 11, 14, 12},
		{"a record changed back in time", replaced(l, 6, strings.Replace(l[6], "msg=audit(1", "msg=audit(0", 1)), Bad, RecordChanged, 6, 9, 7},
		{"a record that got a blank", replaced(l, 6, l[6]+" "), Bad, RecordChanged, 6, 9, 7},
		{"a record mangled so that it is none", replaced(l, 6, "x"+l[6][4:]), Partial, "", 0, 0, 0},
		{"an inserted record", splice(l[:7], []string{inserted}, l[7:]), Bad, RecordAdded, 8, 8, 8},
		{"two inserted records", splice(l[:7], []string{inserted, inserted + " "}, l[7:]), Bad, RecordAdded, 8, 8, 8},
		{"a record inserted behind a block line", splice(l[:5], []string{inserted}, l[5:]), Bad, RecordAdded, 6, 6, 6},
		{"a record inserted in front of a resend", splice(l[:7], []string{inserted}, l[2:]), Bad, RecordAdded, 6, 9, 0},
		{"a record inserted into a resend", splice(l[:12], l[2:7], []string{inserted}, l[7:]), Bad, RecordAdded, 11, 14, 0},
		{"two records swapped", splice(l[:6], l[7:8], l[6:7], l[8:]), Bad, RecordReordered, 6, 9, 7},
		{"a block in reverse", splice(l[:5], l[8:9], l[7:8], l[6:7], l[5:6], l[9:]), Bad, RecordReordered, 6, 9, 6},
		{"two blocks swapped", splice(l[:10], l[15:20], l[10:15], l[20:]), Bad, RecordAdded, 11, 11, 11},
		{"a record exchanged between blocks", replaced(replaced(l, 6, l[11]), 11, l[6]), Bad, RecordChanged, 6, 9, 7},
		{"a dropped record", without(l, 6, 7), Partial, "", 0, 0, 0},
		{"a dropped record, replaced by one from before", replaced(l, 6, l[1]), Bad, RecordChanged, 6, 9, 7},
		{"a dropped block", without(l, 10, 15), Bad, BlocksMissing, 11, 15, 0},
		{"a dropped checkpoint with its block", without(l, 5, 10), Bad, BlocksMissing, 6, 10, 0},
		{"a dropped block line", without(l, 14, 15), Bad, BlocksMissing, 11, 15, 0},
		{"a block line forged into a user message", replaced(l, 14, forged), Bad, BlocksMissing, 11, 15, 15},
		{"a user message that claims to be a block", splice(l[:7], []string{"type=USER msg=audit(1.000:2): msg='" + l[4] + "'"}, l[7:]), Bad, RecordAdded, 8, 8, 8},
		{"a block sent again with a record more", splice(l[:15], l[5:6], []string{inserted}, l[6:10], l[15:]), Bad, RecordAdded, 16, 19, 0},
		{"a journal spliced in", splice(l[:10], o[10:]), Bad, ChainBroken, 11, 15, 11},
		{"a journal spliced in between", splice(l[:10], o[10:15], l[15:]), Bad, ChainBroken, 11, 15, 15},
		{"a journal appended", splice(l[:20], o), Bad, OtherJournal, 1, 5, 0},
		{"a checkpoint of another key", replaced(l, 9, foreignKey), Bad, ChainBroken, 11, 15, 0},
		{"a changed block line", replaced(l, 14, strings.Replace(l[14], "pid=7", "pid=8", 1)), Bad, ChainBroken, 11, 20, 15},
		{"a checkpoint that lost its signature", replaced(l, 9, unsigned(l[9])), Bad, ChainBroken, 1, 15, 10},
		{"a changed record with its block line written anew", reseal(t, replaced(l, 11, inserted), false), Bad, ChainBroken, 11, 20, 15},
		{"a block line with a field twice", replaced(l, 14, strings.Replace(l[14], " n=4", " n=4 n=4", 1)), Bad, MalformedBlock, 11, 20, 15},
		{"a block line with two signatures", replaced(l, 9, l[9][:strings.Index(l[9], " res=")]+l[9][strings.Index(l[9], " sig="):]), Bad, MalformedBlock, 6, 15, 10},
		{"a changed signature", replaced(l, 19, flipSignature(t, l[19])), Bad, BadSignature, 11, 20, 20},
		{"all signatures dropped, the rest written anew", reseal(t, replaced(l, 3, inserted), true), Bad, NotSealed, 1, 25, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, opts := range []Options{{}, {Filtered: true}, {Keys: []PublicKey{s.key.Public()}}} {
				got := verify(opts, row.lines...)
				r := got.Chains[0]
				if got.Verdict != row.want || got.Verified && !opts.Filtered {
					t.Fatalf("%s, %+v", got.Verdict, *r)
				}
				if row.want != Bad {
					continue
				}
				d := r.Defects[0]
				record := row.record
				if row.name == "a journal spliced in" && opts.Keys == nil {
					record = 0 // which of the two is the journal, a key tells
				}
				if got.Verified || d.Reason != row.reason || int(d.First) != row.first || int(d.Last) != row.last || int(d.Record) != record {
					t.Fatalf("%s: record %d, verified %v", d, d.Record, got.Verified)
				}
			}
			if got := verify(Options{Own: true, First: 1}, row.lines...); got.Verdict != Bad {
				t.Errorf("as the journal's own: %s", got.Verdict)
			}
		})
	}
}

func unsigned(line string) string {
	return line[:strings.Index(line, " key=")] + " res=success"
}

func flipSignature(t *testing.T, line string) string {
	before, rest, _ := strings.Cut(line, " sig=")
	text, after, _ := strings.Cut(rest, " ")
	sig, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	sig[9] ^= 1
	return before + " sig=" + base64.RawURLEncoding.EncodeToString(sig) + " " + after
}

// TestWhatNoSignatureCoversIsTold: behind the last checkpoint anyone can write
// what he likes, and take away what he likes. It is never counted as sealed.
func TestWhatNoSignatureCoversIsTold(t *testing.T) {
	s := fiveBlocks(t)
	l := s.lines
	for _, row := range []struct {
		name     string
		lines    []string
		sealed   int
		sealedTo int
		tail     int
	}{
		{"as it was", l, 16, 20, 6},
		{"the tail cut off", l[:20], 16, 20, 0},
		{"the last checkpoint's signature dropped", reseal(t, splice(l[:19], []string{unsigned(l[19])}), false), 8, 10, 8},
		{"the last checkpoint cut off", l[:19], 8, 10, 8},
		{"a record forged into the tail, its block line written anew", reseal(t, splice(l[:21], []string{inserted}, l[21:]), false), 16, 20, 7},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := verify(Options{Own: true, First: 1}, row.lines...)
			r := got.Chains[0]
			if got.Verdict != OK || int(r.Sealed) != row.sealed || int(r.SealedTo) != row.sealedTo || int(r.Tail) != row.tail {
				t.Errorf("%s: %+v", got.Verdict, *r)
			}
		})
	}
}

func TestATailLongerThanAJournalLeavesIsNotVerified(t *testing.T) {
	s := newStream(t).records(10).checkpoint()
	for range 20 {
		s.records(100).checkpoint() // ten seconds each
	}
	stripped := reseal(t, s.lines, true)
	lines := splice(s.lines[:11], stripped[11:])
	// The signed line's hash is not that of its unsigned form.
	lines = reseal(t, lines, false)
	if got := verify(Options{}, lines...); got.Verdict != Partial || got.Verified || got.Chains[0].Tail != 2000 {
		t.Errorf("%s: %+v", got.Verdict, *got.Chains[0])
	}
	if got := verify(Options{Filtered: true}, lines...); got.Verified {
		t.Error("taken for a filtered copy")
	}
	plain := newStream(t).records(10).checkpoint().records(2000)
	if got := verify(Options{}, plain.lines...); got.Verdict != Partial {
		t.Errorf("without block lines: %s", got.Verdict)
	}
}

func TestAJournalWhoseFirstSegmentIsShortenedIsBad(t *testing.T) {
	s := fiveBlocks(t)
	for _, row := range []struct {
		name  string
		lines []string
	}{
		{"its first record gone", s.lines[1:]},
		{"its first block gone", s.lines[5:]},
		{"its first lines gone", s.lines[3:]},
	} {
		if got := verify(Options{Own: true, First: 1}, row.lines...); got.Verdict != Bad {
			t.Errorf("%s: %s", row.name, got.Verdict)
		}
	}
	if got := verify(Options{Own: true, First: 8}, s.lines[7:]...); got.Verdict != Partial || got.Verified || got.Chains[0].Leading != 2 {
		t.Errorf("a segment that begins inside a block: %+v", got.Chains[0])
	}
	if got := verify(Options{Own: true, First: 8}, s.lines[8:]...); got.Verdict != Bad {
		t.Errorf("such a segment, a record gone: %s", got.Verdict)
	}
	if got := verify(Options{Own: true, First: 6}, s.lines[5:]...); got.Verdict != Partial || got.Verified {
		t.Errorf("a segment that begins at 6, its header gone: %s", got.Verdict)
	}
	whole := newStream(t).records(4).checkpoint().header().records(4).checkpoint()
	if got := verify(Options{Own: true, First: 6}, whole.lines[5:]...); got.Verdict != OK {
		t.Errorf("a segment that begins at 6: %s: %+v", got.Verdict, got.Chains[0])
	}
}

func TestAnAlgorithmCannotBeDowngraded(t *testing.T) {
	s := newStream(t)
	s.key = mustKey(t, ECDSAP384)
	s.records(3).checkpoint().records(3).checkpoint()
	weak := mustKey(t, Ed25519)
	forged := newStream(t)
	forged.key = s.key
	forged.records(3)
	forged.lines = append(forged.lines, s.lines[3])
	b, err := ParseBlock([]byte(s.lines[3]))
	if err != nil {
		t.Fatal(err)
	}
	forged.w = NewWriter(b.Sequence()+1, HashLine([]byte(s.lines[3])))
	forged.key = weak
	forged.records(3).checkpoint()
	if got := verify(Options{}, forged.lines...); got.Verdict != Bad || got.Chains[0].Defects[0].Reason != KeyNotAnnounced {
		t.Errorf("%+v", got.Chains[0])
	}
	// The name alone changed: neither key nor signature fit the other algorithm.
	renamed := strings.Replace(s.lines[7], "key=ecdsa-p384:", "key=ed25519:", 1)
	if got := verify(Options{}, replaced(s.lines, 7, renamed)...); got.Verdict == OK && got.Chains[0].SealedTo > 4 {
		t.Errorf("%+v", got.Chains[0])
	}
}

// TestNoByteOfTheSealedPartCanBeFlipped tries each one. The record it is in is
// named.
func TestNoByteOfTheSealedPartCanBeFlipped(t *testing.T) {
	s := newStream(t).records(2).block().records(2).checkpoint().records(2).checkpoint().records(2).checkpoint()
	for i := 3; i < 9; i++ {
		for at := range s.lines[i] {
			line := []byte(s.lines[i])
			line[at] ^= 1
			for _, opts := range []Options{{}, {Own: true, First: 1}, {Own: true, First: 1, Keys: []PublicKey{s.key.Public()}}} {
				got := verify(opts, replaced(s.lines, i, string(line))...)
				r := got.Chains[0]
				if got.Verdict == OK && r.SealedTo == 12 {
					t.Fatalf("line %d, byte %d: %+v", i+1, at, *r)
				}
				if opts.Keys == nil || strings.HasSuffix(s.lines[i][:at], " first=") {
					continue // a number that is not true names another record
				}
				if r.DefectCount == 0 || int(r.Defects[0].Record) != i+1 {
					t.Errorf("line %d, byte %d: %s", i+1, at, got.Summary())
				}
			}
		}
	}
}

// FuzzVerifier feeds it anything: it neither panics nor calls verified what
// holds no signature.
func FuzzVerifier(f *testing.F) {
	s := fiveBlocks(f)
	f.Add(strings.Join(s.lines, "\n"), true)
	f.Add(strings.Join(splice(s.lines[:12], s.lines[3:]), "\n"), false)
	f.Add(strings.Join(splice(s.lines[:10], s.lines[15:]), "\nMar  6 16:35:29 h t: "), false)
	f.Fuzz(func(t *testing.T, text string, own bool) {
		got := verify(Options{Own: own}, strings.Split(text, "\n")...)
		for _, c := range got.Chains {
			if c.Verified && c.Checkpoints == 0 || c.Verified && c.DefectCount > 0 {
				t.Fatalf("%+v", *c)
			}
		}
	})
}
