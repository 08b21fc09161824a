package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"auditbridge/auditbridge"
	"auditbridge/seal"
)

// example is the text of a fenced block of docs/format/journal.md.
func example(t *testing.T, kind string) string {
	t.Helper()
	doc, err := os.ReadFile("../docs/format/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```"+kind+"\n")
	text, _, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatalf("docs/format/journal.md has no example %q", kind)
	}
	return text
}

func TestTheDocumentIsTrue(t *testing.T) {
	text := example(t, "segment")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(dir, 0, ReaderOptions{PastDurable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	block, prev, checkpoints := sha256.New(), seal.Hash{}, 0
	var id ID
	for {
		at, line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if at == 1 {
			h, err := parseSegmentHeader(line)
			if err != nil || h.first != 1 || h.format != 1 {
				t.Fatalf("header %+v: %v", h, err)
			}
			id = h.journal
		}
		if !seal.LooksLikeBlock(line) {
			block.Write(append(bytes.Clone(line), '\n'))
			continue
		}
		b, err := seal.ParseBlock(line)
		if err != nil || b.Sequence() != at || b.SHA256 != seal.Hash(block.Sum(nil)) || b.Prev != prev || !b.Verify(line) {
			t.Errorf("line %d: %v %+v", at, err, b)
		}
		block.Reset()
		prev = seal.HashLine(line)
		checkpoints++
	}
	if r.At() != 6 || checkpoints != 2 {
		t.Errorf("%d lines, %d checkpoints", r.At(), checkpoints)
	}
	decodeSlotExample(t, id)
}

func decodeSlotExample(t *testing.T, id ID) {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(strings.Fields(example(t, "slot")), ""))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "siem"+CursorSuffix)
	if err := os.WriteFile(path, append(raw, make([]byte, 8192-len(raw))...), 0o600); err != nil {
		t.Fatal(err)
	}
	c, ok, err := ReadCursor(path)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if c.Journal != id || c.At != 5 || c.Delivered != 3 || c.Excluded != 1 || c.Waiting != 1 || c.Read != 5 || c.Missed != 0 || len(c.Open) != 1 || c.Open[0] != 4 {
		t.Errorf("%+v", c)
	}
}

// The table of the mark's words is the struct's layout.
func TestTheMarkHasTheDocumentsLayout(t *testing.T) {
	var p markPage
	for name, row := range map[string][2]uintptr{
		"version": {unsafe.Offsetof(p.version), 8}, "pid": {unsafe.Offsetof(p.pid), 12}, "id": {unsafe.Offsetof(p.id), 16},
		"durable": {unsafe.Offsetof(p.durable), 32}, "written": {unsafe.Offsetof(p.written), 40},
		"heartbeat": {unsafe.Offsetof(p.heartbeat), 48}, "wake": {unsafe.Offsetof(p.wake), 56},
		"state": {unsafe.Offsetof(p.state), 60}, "segment": {unsafe.Offsetof(p.segment), 64},
		"refused": {unsafe.Offsetof(p.refused), 72}, "epoch": {unsafe.Offsetof(p.epoch), 80},
	} {
		if row[0] != row[1] {
			t.Errorf("%s is at %d, the document says %d", name, row[0], row[1])
		}
	}
}

// What version 1 wrote opens for ever, is recovered, and is written on.
func TestTheGoldenSegmentOpens(t *testing.T) {
	golden, err := os.ReadFile("testdata/format-1/" + segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != example(t, "segment") {
		t.Error("the document's example is not the golden segment")
	}
	cfg := testConfig(t)
	if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir, segmentName(1)), golden, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.SegmentAge = 1 << 62
	r := newMemRing()
	j := mustOpen(t, cfg, r)
	defer j.Close()
	r.feed(1, 1)
	r.drain(t, j)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	got := allBytes(t, cfg)
	if !bytes.HasPrefix(got, golden) || !bytes.Contains(got, record(1)) {
		t.Errorf("not written on:\n%s", got)
	}
	if j.ID().String() != "eeeaf9655354d2992bf935ca494c38a2" {
		t.Errorf("journal %s", j.ID())
	}
	if _, ok := auditbridge.ParseHeader(firstLine(got)); !ok {
		t.Error("the first line is no record")
	}
	// The golden key is lost: that is on record as a new chain.
	if !bytes.Contains(got, []byte("key=lost-new-chain")) {
		t.Error("the lost key is not on record")
	}
}

// Every op the journal writes stands in the page's list, and nothing else does.
func TestTheDocumentListsEveryOp(t *testing.T) {
	doc, err := os.ReadFile("../docs/format/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(doc), "| op | says |")
	list, _, _ = strings.Cut(list, "\n\n")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	wrote := map[string]bool{"block": true}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?:configNote\(|OwnFailure\(|OwnNote\([\w.]+, |n\.Op, .* = )"([a-z-]+)"`).FindAllSubmatch(code, -1) {
			wrote[string(m[1])] = true
		}
	}
	for op := range wrote {
		if !strings.Contains(list, "| `"+op+"` |") {
			t.Errorf("op=%s is not listed", op)
		}
	}
	if rows := strings.Count(list, "\n| `"); rows != len(wrote) {
		t.Errorf("%d are listed, the journal writes %d: %v", rows, len(wrote), wrote)
	}
}
