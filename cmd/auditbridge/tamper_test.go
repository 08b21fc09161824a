package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/journal"
	"auditbridge/seal"
)

// tampered is a journal somebody can get at, and what was noted of it elsewhere.
type tampered struct {
	dir        string
	lines      []string // of its newest segment, as they were
	checkpoint string   // its last, as it was noted elsewhere
	key        string   // its first public key
}

func journalToTamperWith(t *testing.T) *tampered {
	t.Helper()
	j := &tampered{dir: t.TempDir()}
	for range 3 {
		record(t, j.dir, 12)
	}
	_, data := newest(t, j.dir)
	j.lines = strings.SplitAfter(string(data), "\n")
	j.lines = j.lines[:len(j.lines)-1]
	last := j.lines[len(j.lines)-1]
	b, err := seal.ParseBlock([]byte(strings.TrimSuffix(last, "\n")))
	must(t, err)
	j.checkpoint = fmt.Sprintf("%d:%s", b.Sequence(), seal.HashLine([]byte(strings.TrimSuffix(last, "\n"))))
	first, err := seal.ParseBlock([]byte(strings.TrimSuffix(j.lines[2], "\n")))
	must(t, err)
	j.key = first.Key.String()
	return j
}

// line is the number, from 0, of the n-th record of the journal's second life.
func (j *tampered) line(n int) int {
	for i, lives := 0, 0; i < len(j.lines); i++ {
		if strings.Contains(j.lines[i], "op=open ") {
			lives++
		}
		if lives == 2 && strings.HasPrefix(j.lines[i], "type=SYSCALL") {
			if n--; n < 0 {
				return i
			}
		}
	}
	panic("the test's journal has no such record")
}

// Every way to tamper with a journal is reported with the first bad record, in the
// journal and in the copy a SIEM has. What a host alone cannot show, a cut, an old
// state, or a thief's signature, a checkpoint held elsewhere does.
func TestEveryTamperingIsReported(t *testing.T) {
	for _, row := range []struct {
		name      string
		change    func(j *tampered, l []string) []string
		elsewhere bool   // only a checkpoint held elsewhere shows it
		want      string // of the journal
		copied    string // of the copy, where a record may be filtered away, and sent twice
	}{
		{"flip a bit", func(j *tampered, l []string) []string {
			i := j.line(5)
			l[i] = strings.Replace(l[i], "success=yes", "success=xes", 1)
			return l
		}, false, "record changed", "record changed"},
		{"delete a line", func(j *tampered, l []string) []string { return slices.Delete(l, j.line(5), j.line(5)+1) }, false, "record missing", "1 block short of 1 record"},
		{"swap two lines", func(j *tampered, l []string) []string {
			i := j.line(5)
			l[i], l[i+1] = l[i+1], l[i]
			return l
		}, false, "reordered", "reordered"},
		{"double a line", func(j *tampered, l []string) []string { return slices.Insert(l, j.line(5), l[j.line(5)]) }, false, "record added", "sent again: 1 line"},
		{"insert a line", func(j *tampered, l []string) []string {
			return slices.Insert(l, j.line(5), "type=USER_LOGIN msg=audit(1709742900.500:999): pid=1 uid=0 auid=0 ses=1 msg='res=success'\n")
		}, false, "record added", "record added"},
		{"cut the tail", func(j *tampered, l []string) []string { return l[:j.line(0)] }, true, "checkpoint", "checkpoint"},
	} {
		t.Run("T-TAMPER "+row.name, func(t *testing.T) {
			j := journalToTamperWith(t)
			changed := strings.Join(row.change(j, slices.Clone(j.lines)), "")
			path, _ := newest(t, j.dir)
			must(t, os.WriteFile(path, []byte(changed), 0o600))
			siem := filepath.Join(t.TempDir(), "siem.log")
			must(t, os.WriteFile(siem, asSIEM(changed), 0o600))
			j.reports(t, filepath.Join(j.dir, "journal"), row.want, row.elsewhere)
			j.reports(t, siem, row.copied, row.elsewhere)
		})
	}
}

// asSIEM is a raw stream as a stock server files it.
func asSIEM(text string) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		b.WriteString("2026-03-06T16:35:29+00:00 web auditbridge: " + line)
	}
	return b.Bytes()
}

var firstBad = regexp.MustCompile(`sequences? \d+`)

// reports holds verify to calling the input bad, and saying where that begins.
func (j *tampered) reports(t *testing.T, input, want string, elsewhere bool) {
	t.Helper()
	args := []string{"verify", "--key", j.key, input}
	if elsewhere {
		args = []string{"verify", "--checkpoint", j.checkpoint, input}
	}
	out, errs, code := auditbridgeCommand(t, args...)
	again := strings.HasPrefix(want, "sent again") // told of, and no defect
	if (code != 1) != again || !strings.Contains(out, want) || !firstBad.MatchString(out) {
		t.Errorf("%s: exit %d, want %q:\n%s%s", filepath.Base(input), code, want, out, errs)
	}
}

// An intact journal, and the copy of it, verify against the same.
func TestWhatNobodyTamperedWithVerifies(t *testing.T) {
	j := journalToTamperWith(t)
	siem := filepath.Join(t.TempDir(), "siem.log")
	must(t, os.WriteFile(siem, asSIEM(strings.Join(j.lines, "")), 0o600))
	for _, input := range []string{filepath.Join(j.dir, "journal"), siem} {
		for _, known := range [][]string{{"--key", j.key}, {"--checkpoint", j.checkpoint}} {
			if out, errs, code := auditbridgeCommand(t, append([]string{"verify", input}, known...)...); code != 0 {
				t.Errorf("%v: exit %d: %s%s", known, code, out, errs)
			}
		}
	}
}

// Another journal's segment of the same name.
func TestAReplacedSegmentIsReported(t *testing.T) {
	t.Run("T-TAMPER replace a segment", func(t *testing.T) {
		j, other := journalToTamperWith(t), journalToTamperWith(t)
		path, _ := newest(t, j.dir)
		must(t, os.WriteFile(path, []byte(strings.Join(other.lines, "")), 0o600))
		siem := filepath.Join(t.TempDir(), "siem.log")
		must(t, os.WriteFile(siem, asSIEM(strings.Join(other.lines, "")), 0o600))
		for _, input := range []string{filepath.Join(j.dir, "journal"), siem} {
			out, errs, code := auditbridgeCommand(t, "verify", "--checkpoint", j.checkpoint, input)
			if code != 1 {
				t.Errorf("exit %d:\n%s%s", code, out, errs)
			}
		}
	})
}

// A directory restored from an old copy is whole in itself: the cursor of a
// reader, or a checkpoint held elsewhere, shows that it once was longer.
func TestARestoredDirectoryIsReported(t *testing.T) {
	t.Run("T-TAMPER restore an old directory", func(t *testing.T) {
		dir := t.TempDir()
		record(t, dir, 12)
		old := t.TempDir()
		must(t, os.CopyFS(old+"/journal", os.DirFS(dir+"/journal")))
		record(t, dir, 12)
		_, data := newest(t, dir)
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		last, err := seal.ParseBlock([]byte(lines[len(lines)-1]))
		must(t, err)
		known := fmt.Sprintf("%d:%s", last.Sequence(), seal.HashLine([]byte(lines[len(lines)-1])))
		must(t, os.RemoveAll(dir+"/journal"))
		must(t, os.CopyFS(dir+"/journal", os.DirFS(old+"/journal")))
		out, errs, code := auditbridgeCommand(t, "verify", "--checkpoint", known, dir+"/journal")
		if code != 1 {
			t.Errorf("exit %d:\n%s%s", code, out, errs)
		}
	})
}

// A cursor that says a reader has what was never written makes no record vanish:
// the numbers up to it are a gap on record, and the next record stands behind it.
func TestACursorMovedAheadIsOnRecord(t *testing.T) {
	t.Run("T-TAMPER move a cursor ahead", func(t *testing.T) {
		dir := t.TempDir()
		record(t, dir, 12)
		m, err := journal.OpenMark(dir + "/journal")
		must(t, err)
		id, at := m.Journal(), m.Durable()+1000
		m.Close()
		f, err := journal.OpenCursor(dir + "/state/siem" + journal.CursorSuffix)
		must(t, err)
		must(t, f.Store(journal.Cursor{Journal: id, At: at}))
		f.Close()
		record(t, dir, 1)
		_, data := newest(t, dir)
		if want := fmt.Sprintf(" before=%d ", at+1); !strings.Contains(string(data), "op=gap ") || !strings.Contains(string(data), want) {
			t.Errorf("no gap up to %d is on record:\n%s", at, data)
		}
	})
}

// Who has stolen the key in force can sign what he likes from then on, and rewrite
// what it signed; not what a checkpoint held elsewhere has seen.
func TestASignatureWithAStolenKeyIsReported(t *testing.T) {
	t.Run("T-TAMPER re-sign with a stolen current key", func(t *testing.T) {
		dir := t.TempDir()
		record(t, dir, 12)
		pem, err := os.ReadFile(dir + "/state/seal.key")
		must(t, err)
		_, before := newest(t, dir)
		record(t, dir, 12)
		_, data := newest(t, dir)
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		last, err := seal.ParseBlock([]byte(lines[len(lines)-1]))
		must(t, err)
		known := fmt.Sprintf("%d:%s", last.Sequence(), seal.HashLine([]byte(lines[len(lines)-1])))

		key, err := seal.ParsePrivateKey(pem)
		must(t, err)
		honest := strings.Split(strings.TrimSuffix(string(before), "\n"), "\n")
		end, err := seal.ParseBlock([]byte(honest[len(honest)-1]))
		must(t, err)
		w := seal.NewWriter(end.Sequence()+1, seal.HashLine([]byte(honest[len(honest)-1])))
		forged := "type=SYSCALL msg=audit(1709742999.000:77): arch=c000003e syscall=59 success=no\n"
		w.Write([]byte(forged), 1)
		block := seal.Block{At: time.Now().Truncate(time.Millisecond), Serial: end.Serial + 100, PID: end.PID, Boot: end.Boot, BootTime: end.BootTime, Source: end.Source}
		sealed, err := w.Close(nil, &block, key)
		must(t, err)
		path, _ := newest(t, dir)
		must(t, os.WriteFile(path, slices.Concat(before, []byte(forged), sealed), 0o600))
		if out, _, code := auditbridgeCommand(t, "verify", dir+"/journal"); code != 0 {
			t.Errorf("the thief's own work does not hold together, so this shows nothing: exit %d: %s", code, out)
		}
		siem := filepath.Join(t.TempDir(), "siem.log")
		must(t, os.WriteFile(siem, asSIEM(string(slices.Concat(before, []byte(forged), sealed))), 0o600))
		for _, input := range []string{dir + "/journal", siem} {
			if out, errs, code := auditbridgeCommand(t, "verify", "--checkpoint", known, input); code != 1 {
				t.Errorf("exit %d: %s%s", code, out, errs)
			}
		}
	})
}
