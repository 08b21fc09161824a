package summary

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// opinion is what somebody else's normalisation says of an event. A part that is
// "" it has no opinion on.
type opinion struct {
	event                    eventKey
	kind                     string // the record's type
	class                    string // what ausearch calls the kind of event
	actor, as                string // ids, "none" for nobody
	action, object, how, end string // end is the result
}

// eventKey names an event as ausearch's table does: without milliseconds.
type eventKey struct {
	node            string
	seconds, serial int64
}

// told is what our sentence says of an event, in the same parts.
type told struct {
	row, sentence string
	kind, class   string
	actor, as     string
	end           string
}

// tell takes the sentences of a log apart.
func tell(log []byte) map[eventKey][]told {
	all := map[eventKey][]told{}
	events(log, func(e *auditbridge.Event) {
		if e.End == auditbridge.EndMalformed {
			return
		}
		v := auditbridge.Classify(e)
		s := newSentence(e, &v, nil)
		t := told{row: s.row.name, kind: string(s.deciding.TypeName()), class: v.Class.String(), actor: "none", end: v.Result.String()}
		t.sentence = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(string(Append(nil, e, &v, nil)))
		if s.actor.login.Value != nil {
			t.actor = string(s.actor.login.Value)
		}
		t.as = string(s.actor.uid.Value)
		if s.row == verbs().other["[syscall]"] {
			t.row = "* " + string(s.appendCall(nil))
		}
		key := eventKey{e.ID.Node, e.ID.Seconds, int64(e.ID.Serial)}
		all[key] = append(all[key], t)
	})
	return all
}

// compare returns in which parts we say something else, as entries of
// differences.txt.
func (o *opinion) compare(source string, t *told, same meanings) (differences []string) {
	differ := func(part, more string) {
		differences = append(differences, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", source, part, t.row, more)))
	}
	if !vague(o.action) && !same["action"][o.action][t.row] {
		differ("action", o.action)
	}
	if class := same["class"][o.class]; len(class) > 0 && !class[t.class] {
		differences = append(differences, fmt.Sprintf("%s class %s: %s %s", source, t.kind, o.class, t.class))
	}
	if o.actor != "" && o.actor != t.actor && !strings.HasPrefix(t.sentence, o.actor+" (") {
		differ("actor", "")
	}
	if o.as != "" && o.as != t.as && !(o.as == o.actor && t.as == t.actor) && !strings.Contains(t.sentence, ", as "+o.as+", ") {
		differ("as", "")
	}
	if o.end != t.end && !(o.end == "" && vague(o.action)) {
		differ("result", o.end+" "+t.end)
	}
	if o.object != "" && !t.says(o.object) {
		differ("object", "")
	}
	if o.how != "" && !t.says(o.how) {
		differ("how", "")
	}
	return differences
}

// vague reports whether an action is only that there was an event.
func vague(action string) bool {
	switch action {
	case "", "unknown", "did-unknown", "triggered-audit-rule", "triggered-unknown-audit-rule":
		return true
	}
	return false
}

// says reports whether the sentence has a word, as a name or as an id.
func (t *told) says(word string) bool {
	if word == "0" {
		word = "root"
	}
	if strings.Contains(t.sentence, strings.TrimPrefix(word, "./")) {
		return true
	}
	id, err := user.Lookup(word)
	return err == nil && (strings.Contains(t.sentence, "user "+id.Uid) || strings.Contains(t.sentence, "group "+id.Uid))
}

// meanings are our words, rows of verbs.txt or classes, that mean the same as
// somebody else's word for an action or a class.
type meanings map[string]map[string]map[string]bool

// readMeanings reads actions.txt and kinds.txt: somebody else's word, and after
// "=" ours with commas between.
func readMeanings(t *testing.T) meanings {
	t.Helper()
	ours := map[string]bool{}
	for _, r := range rows() {
		ours[r.name] = true
	}
	all := meanings{}
	for part, file := range map[string]string{"action": "testdata/actions.txt", "class": "testdata/kinds.txt"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[part] = map[string]map[string]bool{}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			word, names, _ := strings.Cut(line, " = ")
			all[part][word] = map[string]bool{}
			for name := range strings.SplitSeq(names, ",") {
				name = strings.TrimSpace(name)
				if _, class := auditbridge.ParseClass(name); !class && !ours[name] {
					t.Errorf("%s: %q is no row of verbs.txt and no class", file, name)
				}
				all[part][word][name] = true
			}
		}
	}
	return all
}

// readDifferences reads testdata/differences.txt: the entries of a source, each
// below the reason that holds for it.
func readDifferences(t *testing.T, source string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	known, reason := map[string]bool{}, ""
	for i, line := range strings.Split(string(text), "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "":
			reason = ""
		case line[0] == '#':
			reason += line
		case reason == "":
			t.Errorf("differences.txt:%d: no reason above %q", i+1, line)
		case strings.HasPrefix(line, source+" "):
			if known[line] {
				t.Errorf("differences.txt:%d: %q is there twice", i+1, line)
			}
			known[line] = true
		}
	}
	return known
}

// judge holds what differs to the list: nothing else, and nothing less.
func judge(t *testing.T, source string, found map[string]string) {
	t.Helper()
	known := readDifferences(t, source)
	for entry, example := range found {
		if !known[entry] {
			t.Errorf("not in differences.txt: %s\n\t%s", entry, example)
		}
		delete(known, entry)
	}
	for entry := range known {
		t.Errorf("in differences.txt, but nothing differs so: %s", entry)
	}
}

// readTable reads the table that `ausearch --format csv` writes. It quotes
// nothing: rows with too many columns cannot be told apart and are left out.
func readTable(t *testing.T, table io.Reader) (all []opinion) {
	t.Helper()
	r := csv.NewReader(table)
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const node, kind, date, clock, serial, class, prime, second, action, result, object, how, columns = 0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 12, 15, 16
	for _, row := range rows {
		if len(row) != columns || row[node] == "NODE" || row[serial] == "0" {
			continue
		}
		at, err := time.Parse("01/02/06 15:04:05", row[date]+" "+row[clock])
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.ParseInt(row[serial], 10, 64)
		all = append(all, opinion{
			event: eventKey{row[node], at.Unix(), n}, kind: row[kind], class: row[class],
			actor: idOf(row[prime]), as: idOf(row[second]), action: row[action], end: resultWord(row[result]),
			object: objectOf(row[object]), how: row[how],
		})
	}
	return all
}

// idOf is the id of a name that ausearch has put in its place.
func idOf(name string) string {
	switch name {
	case "":
		return ""
	case "system", "unset":
		return "none"
	}
	if n, ok := strings.CutPrefix(name, "unknown("); ok {
		return strings.TrimSuffix(n, ")")
	}
	if u, err := user.Lookup(name); err == nil {
		return u.Uid
	}
	return name
}

// objectOf takes an object out of ausearch's braces and brackets.
func objectOf(object string) string {
	for _, field := range strings.Fields(strings.Trim(object, "{} ")) {
		for _, key := range []string{"laddr=", "path="} {
			if v, ok := strings.CutPrefix(field, key); ok {
				return v
			}
		}
	}
	if n, ok := strings.CutPrefix(object, "unknown("); ok {
		return strings.TrimSuffix(n, ")")
	}
	if object == "?" {
		return ""
	}
	return object
}

func resultWord(word string) string {
	switch word {
	case "success":
		return "success"
	case "failed", "fail":
		return "fail"
	}
	return ""
}

// collect compares opinions with what we tell, and notes what differs, with an
// example.
func collect(source string, opinions []opinion, ours map[eventKey][]told, same meanings, found map[string]string) (compared int) {
	for i := range opinions {
		o := &opinions[i]
		candidates := ours[o.event]
		if len(candidates) == 0 {
			found[source+" event "+o.kind+":"] = fmt.Sprint(*o)
			continue
		}
		// An event that came in pieces is several for us: the best one counts.
		best := slices.MinFunc(candidates, func(a, b told) int {
			return len(o.compare(source, &a, same)) - len(o.compare(source, &b, same))
		})
		compared++
		for _, entry := range o.compare(source, &best, same) {
			if found[entry] == "" {
				found[entry] = fmt.Sprintf("%+v\n\t%s", *o, best.sentence)
			}
		}
	}
	return compared
}

// Our sentences say what ausearch's say of the same log, but for differences
// that are listed with their reason.
func TestAusearchAgrees(t *testing.T) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil {
		t.Fatal(err)
	}
	same, found, compared := readMeanings(t), map[string]string{}, 0
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		run := exec.Command("ausearch", "-if", file, "--format", "csv")
		run.Env = []string{"TZ=UTC", "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		table, err := run.Output()
		if err != nil {
			t.Fatalf("ausearch %s: %v (install auditd)", file, err)
		}
		compared += collect("ausearch", readTable(t, strings.NewReader(string(table))), tell(log), same, found)
	}
	if compared < 100 {
		t.Errorf("compared %d events", compared)
	}
	judge(t, "ausearch", found)
}
