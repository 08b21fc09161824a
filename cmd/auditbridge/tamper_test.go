package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/journal"
	"auditbridge/seal"
)

// tampered is a journal somebody can get at, and what was noted of it elsewhere.
type tampered struct {
	dir         string
	lines       []string // of its segment, as they were; lines[i] has sequence i+1
	checkpoints []string // as a log server has them, each life's last among them
	key         string   // its first public key
}

func journalToTamperWith(t *testing.T) *tampered {
	t.Helper()
	j := &tampered{dir: t.TempDir()}
	for range 3 {
		record(t, j.dir, 12)
	}
	j.note(t)
	return j
}

// note keeps elsewhere what verify can be held to.
func (j *tampered) note(t *testing.T) {
	t.Helper()
	_, data := newest(t, j.dir)
	j.lines = slices.Collect(strings.Lines(string(data)))
	for i, text := range j.lines {
		line := []byte(strings.TrimSuffix(text, "\n"))
		b, err := seal.ParseBlock(line)
		if err != nil || !b.Signed() {
			continue
		}
		if int(b.Sequence()) != i+1 {
			t.Fatalf("line %d has sequence %d", i+1, b.Sequence())
		}
		if j.key == "" {
			j.key = b.Key.String()
		}
		j.checkpoints = append(j.checkpoints, fmt.Sprintf("%d:%s", b.Sequence(), seal.HashLine(line)))
	}
}

// last is the sequence of the journal's last line, a checkpoint.
func (j *tampered) last() int { return len(j.lines) }

// before is the sequence of the last checkpoint up to a sequence.
func (j *tampered) before(sequence int) (last int) {
	for _, c := range j.checkpoints {
		var n int
		if fmt.Sscan(strings.Split(c, ":")[0], &n); n <= sequence {
			last = n
		}
	}
	return last
}

// block is the sequences of the block a sequence is in, from which to which, and
// the block line's.
func (j *tampered) block(sequence int) (first, last, line int) {
	for line = sequence; ; line++ {
		b, err := seal.ParseBlock([]byte(strings.TrimSuffix(j.lines[line-1], "\n")))
		if err == nil {
			return int(b.First), line - 1, line
		}
	}
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
// state, or a thief's signature, the checkpoints held elsewhere do.
func TestEveryTamperingIsReported(t *testing.T) {
	beside(t)
	j := journalToTamperWith(t)
	at := j.line(5) + 1 // the sequence that is tampered with
	first, last, block := j.block(at)
	bad := func(what string) string {
		return fmt.Sprintf("BAD %s: the first bad record is sequence %d; sequences %d to %d are not proven", what, at, first, last)
	}
	for _, row := range []struct {
		name      string
		change    func(l []string) []string
		elsewhere bool   // only what is held elsewhere shows it
		want      string // the first line, of the journal
		copied    string // of the copy, where a record may be filtered away, and sent twice; "": the same
		absent    string // what else is said of the copy
	}{
		{"flip a bit", func(l []string) []string {
			l[at-1] = strings.Replace(l[at-1], "success=yes", "success=xes", 1)
			return l
		}, false, bad("record changed"), "", ""},
		{"delete a line", func(l []string) []string { return slices.Delete(l, at-1, at) },
			false, bad("record missing"), "PARTIAL ",
			fmt.Sprintf("  absent: 1 of sequences %d to %d, the first is %d (block line: input line %d)\n", first, last, at, block-1)},
		{"swap two lines", func(l []string) []string {
			l[at-1], l[at] = l[at], l[at-1]
			return l
		}, false, bad("records reordered"), "", ""},
		{"double a line", func(l []string) []string { return slices.Insert(l, at-1, l[at-1]) },
			false, fmt.Sprintf("BAD record added: sequence %d: ", at), "OK ",
			fmt.Sprintf("  sent again: sequence %d (input line %d)\n", at, at+1)},
		{"double a line elsewhere", func(l []string) []string { return slices.Insert(l, last, l[at-1]) },
			false, fmt.Sprintf("BAD record added: sequence %d: ", block), "OK ",
			fmt.Sprintf("  sent again: sequence %d (input line %d)\n", at, block)},
		{"insert a line", func(l []string) []string {
			return slices.Insert(l, at-1, "type=USER_LOGIN msg=audit(1709742900.500:999): pid=1 uid=0 auid=0 ses=1 msg='res=success'\n")
		}, false, fmt.Sprintf("BAD record added: sequence %d: 1 inserted before this sequence (input line %d)", at, at), "", ""},
		{"cut the tail", func(l []string) []string { return l[:at-1] },
			true, fmt.Sprintf("BAD ends before the given checkpoint: sequences %d to ", j.before(at)+1), "", ""},
	} {
		t.Run("T-TAMPER "+row.name, func(t *testing.T) {
			changed := strings.Join(row.change(slices.Clone(j.lines)), "")
			known := []string{"--key", j.key}
			if row.elsewhere {
				known = j.elsewhere()
			}
			journal, siem := j.put(t, changed)
			reports(t, journal, known, row.want, "")
			if row.copied == "" {
				row.copied = row.want
			}
			reports(t, siem, known, row.copied, row.absent)
		})
	}
}

// elsewhere is the checkpoints that somebody else noted, as arguments.
func (j *tampered) elsewhere() (args []string) {
	for _, c := range j.checkpoints {
		args = append(args, "--checkpoint", c)
	}
	return args
}

// put makes a journal and a SIEM's copy of text.
func (j *tampered) put(t *testing.T, text string) (journal, siem string) {
	t.Helper()
	journal = t.TempDir()
	siem = filepath.Join(t.TempDir(), "siem.log")
	path, _ := newest(t, j.dir)
	must(t, os.WriteFile(filepath.Join(journal, filepath.Base(path)), []byte(text), 0o600))
	must(t, os.WriteFile(siem, asSIEM(text), 0o600))
	return journal, siem
}

// asSIEM is a raw stream as a stock server files it.
func asSIEM(text string) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(text) {
		b.WriteString("2026-03-06T16:35:29+00:00 web auditbridge: " + line)
	}
	return b.Bytes()
}

// reports holds verify to how its first line begins, what else it says, and an exit
// status that fits.
func reports(t *testing.T, input string, known []string, begins, says string) {
	t.Helper()
	out, errs, code := auditbridgeCommand(t, append([]string{"verify", input}, known...)...)
	if (code == 0) != strings.HasPrefix(begins, "OK ") || !strings.HasPrefix(out, begins) || !strings.Contains(out, says) {
		t.Errorf("%s: exit %d, want %q, %q:\n%s%s", filepath.Base(input), code, begins, says, out, errs)
	}
}

// An intact journal, and the copy of it, verify against the same.
func TestWhatNobodyTamperedWithVerifies(t *testing.T) {
	beside(t)
	j := journalToTamperWith(t)
	journal, siem := j.put(t, strings.Join(j.lines, ""))
	for _, known := range [][]string{{"--key", j.key}, j.elsewhere()} {
		reports(t, journal, known, "OK ", "")
		reports(t, siem, known, "OK ", "")
	}
}

// Another journal's segment of the same name is wrong from its first record on.
func TestAReplacedSegmentIsReported(t *testing.T) {
	beside(t)
	t.Run("T-TAMPER replace a segment", func(t *testing.T) {
		j, other := journalToTamperWith(t), journalToTamperWith(t)
		journal, siem := j.put(t, strings.Join(other.lines, ""))
		for _, input := range []string{journal, siem} {
			reports(t, input, j.elsewhere(), "BAD differs from the given checkpoint: sequences 1 to "+strings.Split(j.checkpoints[0], ":")[0]+": ", "")
			reports(t, input, []string{"--key", j.key}, fmt.Sprintf("BAD not linked to the given key or checkpoint: sequences 1 to %d; ", j.last()), "")
		}
	})
}

// A directory restored from an old copy is whole in itself: the cursor of a
// reader, or a checkpoint held elsewhere, shows that it once was longer.
func TestARestoredDirectoryIsReported(t *testing.T) {
	beside(t)
	t.Run("T-TAMPER restore an old directory", func(t *testing.T) {
		j := journalToTamperWith(t)
		old := j.firstLife()
		journal, siem := j.put(t, strings.Join(j.lines[:old], ""))
		for _, input := range []string{journal, siem} {
			reports(t, input, []string{"--key", j.key}, "OK ", "") // alone it shows nothing
			reports(t, input, j.elsewhere(), fmt.Sprintf("BAD ends before the given checkpoint: sequences %d to ", old+1), "")
		}
	})
}

// firstLife is the sequence of the first life's last line, a checkpoint.
func (j *tampered) firstLife() int {
	for i, line := range j.lines[:j.line(0)] {
		if strings.Contains(line, "op=stop ") {
			_, _, block := j.block(i + 1)
			return block
		}
	}
	panic("the test's journal does not end its first life in order")
}

// A cursor that says a reader has what was never written makes no record vanish:
// the numbers up to it are a gap on record, and the next record stands behind it.
func TestACursorMovedAheadIsOnRecord(t *testing.T) {
	beside(t)
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
	beside(t)
	t.Run("T-TAMPER re-sign with a stolen current key", func(t *testing.T) {
		dir := t.TempDir()
		record(t, dir, 12)
		pem, err := os.ReadFile(dir + "/state/seal.key")
		must(t, err)
		_, before := newest(t, dir)
		record(t, dir, 12)
		j := &tampered{dir: dir}
		j.note(t)

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
		journal, siem := j.put(t, string(slices.Concat(before, []byte(forged), sealed)))
		for _, input := range []string{journal, siem} {
			reports(t, input, []string{"--key", j.key}, "OK ", "") // the thief's work holds together
			reports(t, input, j.elsewhere(), fmt.Sprintf("BAD ends before the given checkpoint: sequences %d to ", end.Sequence()+1), "")
		}
	})
}
