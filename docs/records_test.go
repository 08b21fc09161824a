package docs

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is made from tables")

const recordsHead = `# Our own records

What auditbridge says of itself stands in the journal like any other record, is sealed, sent and searched like any other. Here is every such record, with
a sample. This page is made by ` + "`go test ./docs -run TestRecords -update`" + ` from records.txt (when, fields), auditbridge/classes.txt (class, facility, severity) and records.log
(samples: from journals of the tests and of runs by hand, and, below the second comment there, what the program's writer makes of the values of ` + "`TestOwnRecords`" + `, for what takes faults that not every machine can be brought to).

Every record has, in this order: ` + "`op`" + ` what happened, ` + "`auid`" + ` login uid, ` + "`pid`" + `, ` + "`uid`" + ` and ` + "`ses`" + ` login session of who caused it, its own fields, and ` + "`res`" + ` its outcome. Who that is, the kernel says
(of a peer on the control socket, of a signal's sender, of a system call), never the peer itself; 4294967295 stands for nobody: what auditbridge does by itself has its own pid and uid. What a client says is marked as a claim below.
The number in ` + "`audit(SECONDS.MILLISECONDS:SERIAL)`" + ` is Unix time, and so unambiguous as to year and zone; every other format has it with both (` + "`read -o json`" + `: RFC 3339, UTC). Blanks and what is beyond ASCII stand in quotes or hex, as the kernel writes them.
By its type alone no record is one of these: the kernel lets nobody send the types 1200–1299, other sources' lines are stored so that they are not taken for one, and serials from 4278190080 up are ours.

Keys of the seal: the first is made at a start (` + "`op=open key=first`" + `), each next one is announced by its public half in a checkpoint that the one before signs (` + "`op=block next=`" + `) and takes over at a start or a segment's end; one that is lost begins a new chain, on record
(` + "`key=lost-new-chain`" + `). Nothing imports a seal's key. SSH keys are files that the configuration names; that another is named is ` + "`op=config`" + `. Changed audit rules are the kernel's own records (CONFIG_CHANGE), with who changed them; what run finds of them is ` + "`op=rules-drift`" + `, of their files ` + "`op=rule-file`" + `.

`

// TestRecordsDocument holds records.md to what it is made from.
func TestRecordsDocument(t *testing.T) {
	described, order := recordTable(t)
	samples := recordSamples(t)
	var b strings.Builder
	b.WriteString(recordsHead)
	severity := map[string][]string{}
	for _, row := range rows(t, "../auditbridge/classes.txt") {
		if row.section == "[op]" && row.cells[0] != "*" {
			severity[row.cells[0]] = row.cells
			if described[row.cells[0]] == nil {
				t.Errorf("records.txt does not say when op=%s is made", row.cells[0])
			}
		}
	}
	for _, op := range order {
		class := severity[op]
		if class == nil {
			t.Errorf("records.txt describes op=%s, which classes.txt lacks", op)
			continue
		}
		sample := samples[op]
		if sample == "" {
			t.Errorf("records.log has no sample of op=%s", op)
			continue
		}
		cells := described[op]
		fields := cells[1]
		if fields == "" {
			fields = "none of its own"
		}
		fmt.Fprintf(&b, "## %s\n\nWhen: %s.\n\nFields: %s.\n\n%s, %s, %s (failed: %s), MSGID %s.\n\n```\n%s\n```\n\n", op, cells[0], fields, class[1], class[2], class[3], class[4], class[5], sample)
	}
	for op := range samples {
		if described[op] == nil {
			t.Errorf("records.log has a sample of op=%s, which does not exist", op)
		}
	}
	want := strings.TrimSuffix(b.String(), "\n")
	if *update {
		if err := os.WriteFile("records.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("records.md"); err != nil || string(got) != want {
		t.Errorf("records.md is not what its sources make (%v): go test ./docs -run TestRecords -update", err)
	}
}

// TestRecordsHaveWhatIsRequired: FAU_GEN.1.2, each sample has a date and a time
// with no doubt about year and zone, a type, a subject and an outcome; and no
// field that records.txt does not explain.
func TestRecordsHaveWhatIsRequired(t *testing.T) {
	t.Run("T-GEN-FIELDS", func(t *testing.T) {
		described, _ := recordTable(t)
		shape := regexp.MustCompile(`^type=DAEMON_[A-Z]+ msg=audit\([0-9]{10}\.[0-9]{3}:4[0-9]{9}\): op=[a-z-]+ auid=[0-9]+ pid=[0-9]+ uid=[0-9]+ ses=[0-9]+((?: [a-z0-9-]+=(?:"[^"]*"|[^ "]+))*) res=(?:success|failed)$`)
		key := regexp.MustCompile(` ([a-z0-9-]+)=`)
		quoted := regexp.MustCompile(`"[^"]*"`)
		for op, line := range recordSamples(t) {
			m := shape.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("op=%s lacks time, type, subject or outcome: %s", op, line)
				continue
			}
			if described[op] == nil {
				continue // the other test says so
			}
			told := described[op][1]
			switch op {
			case "alarm-cleared", "banner-changed", "banner-cleared":
				told += described[strings.NewReplacer("cleared", "raised", "changed", "raised").Replace(op)][1]
			case "accounts-changed":
				told += described["accounts"][1]
			case "damage":
				told += described["cut"][1]
			}
			for _, f := range key.FindAllStringSubmatch(quoted.ReplaceAllString(m[1], "x"), -1) {
				if !strings.Contains(told, "`"+f[1]+"`") {
					t.Errorf("records.txt does not explain %s= of op=%s", f[1], op)
				}
			}
		}
	})
}

// recordTable is records.txt: when and fields, by op, and the ops in order.
func recordTable(t *testing.T) (cells map[string][]string, order []string) {
	t.Helper()
	text, err := os.ReadFile("records.txt")
	if err != nil {
		t.Fatal(err)
	}
	cells = map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.SplitN(line, " | ", 3)
		if len(row) != 3 {
			t.Fatalf("records.txt: %q is no row of three cells", line)
		}
		op := row[0]
		cells[op], order = []string{row[1], strings.TrimSpace(row[2])}, append(order, op)
	}
	return cells, order
}

// recordSamples is records.log, one line of each op.
func recordSamples(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("records.log")
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSuffix(line, "\n")
		_, rest, _ := strings.Cut(line, "): op=")
		op, _, _ := strings.Cut(rest, " ")
		if samples[op] != "" {
			t.Errorf("records.log has two samples of op=%s", op)
		}
		samples[op] = line
	}
	return samples
}
