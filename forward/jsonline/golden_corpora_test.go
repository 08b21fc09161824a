//go:build corpora

package jsonline

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// The golden files of laurel and of go-libaudit say what they make of the logs
// beside them. TestCorporaGoldens holds ours to them field by field: each value
// they have stands in our JSON, under its own key in the record it is from, as
// it is or interpreted. Where we say otherwise, testdata/golden-differences.txt
// says why; a row that does not occur is an error, too.

// printed is one of our events.
type printed struct {
	Result  string
	Argv    []string
	Records []printedRecord
}

type printedRecord struct {
	Type        string
	Fields      map[string]any
	Resolved    map[string]any
	Interpreted map[string]any
}

// printLog is what `read -o json -i` makes of a log: events by time and serial,
// as auditd writes it.
func printLog(t *testing.T, path string) map[string]*printed {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]*printed{}
	w := &Writer{Interpreter: &interpret.Interpreter{}}
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	emit := func(e *auditbridge.Event) {
		v := auditbridge.Classify(e)
		var p printed
		if err := json.Unmarshal(w.AppendEvent(nil, e, &v), &p); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("%d.%03d:%d", e.ID.Seconds, e.ID.Millis, e.ID.Serial)
		if before := events[id]; before != nil { // a late record of it
			before.Records = append(before.Records, p.Records...)
			return
		}
		events[id] = &p
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		r.Push(auditbridge.Sequence(i+1), line, emit)
	}
	r.Flush(emit)
	return events
}

// values are what a record says under key, in any way it does.
func (r *printedRecord) values(key string) (all []string) {
	for _, part := range []map[string]any{r.Fields, r.Resolved, r.Interpreted} {
		all = append(all, texts(part[key])...)
		if claimed, ok := part["msg"].(map[string]any); ok {
			all = append(all, texts(claimed[key])...)
		}
		for _, name := range []string{"saddr", "text"} {
			if address, ok := part[name].(map[string]any); ok {
				all = append(all, texts(address[key])...)
			}
		}
	}
	return all
}

// texts are a value's strings: its own, a list's, and the list's joined by blanks.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case map[string]any: // an address
		return texts(v["hex"])
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, texts(one)...)
		}
		return append(all, strings.Join(all, " "))
	}
	return nil
}

// differences are the rows of golden-differences.txt.
type differences struct {
	t    *testing.T
	rows []*difference
}

type difference struct {
	pattern *regexp.Regexp
	used    bool
}

func readDifferences(t *testing.T) *differences {
	t.Helper()
	file, err := os.Open("testdata/golden-differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := &differences{t: t}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		pattern, why, found := strings.Cut(lines.Text(), " | ")
		if strings.HasPrefix(pattern, "#") || strings.TrimSpace(pattern) == "" {
			continue
		}
		if !found || why == "" {
			t.Fatalf("golden-differences.txt: no reason: %q", lines.Text())
		}
		d.rows = append(d.rows, &difference{pattern: regexp.MustCompile("^" + strings.TrimSpace(pattern) + "$")})
	}
	return d
}

// want is an error unless what stands in got, or a row explains why it does not.
func (d *differences) want(where, what string, got []string) {
	d.t.Helper()
	if slices.Contains(got, what) {
		return
	}
	text := where + "=" + what
	for _, row := range d.rows {
		if row.pattern.MatchString(text) {
			row.used = true
			return
		}
	}
	d.t.Errorf("%s: ours says %q", text, got)
}

func (d *differences) allUsed() {
	d.t.Helper()
	for _, row := range d.rows {
		if !row.used {
			d.t.Errorf("golden-differences.txt: %s does not occur", row.pattern)
		}
	}
}

func TestCorporaGoldens(t *testing.T) {
	root := filepath.Join(os.Getenv("AUDITBRIDGE_CORPORA"), "audit-logs")
	d := readDifferences(t)
	compared := 0
	for pattern, compare := range map[string]func(*differences, string) int{
		"laurel/*.json": compareLaurel, "go-libaudit/auparse/*.golden": compareRecords, "go-libaudit/aucoalesce/*.golden": compareEvents,
	} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, file := range files {
			n := compare(d, file)
			t.Logf("%s: %d values", file, n)
			compared += n
		}
	}
	d.allUsed()
	if compared < 2500 {
		t.Errorf("only %d values were compared", compared)
	}
}

// compareLaurel compares an event a line: its records by type, one or a list;
// numbers as numbers, hex and octal with a prefix, bytes as %XX.
func compareLaurel(d *differences, golden string) (n int) {
	events := printLog(d.t, strings.TrimSuffix(golden, ".json")+".txt")
	for _, line := range goldenLines(d.t, golden) {
		var e map[string]any
		decode(d.t, []byte(line), &e)
		id := e["ID"].(string)
		ours := events[id]
		if ours == nil {
			d.t.Errorf("%s: there is no event %s", golden, id)
			continue
		}
		for kind, content := range e {
			list, isList := content.([]any)
			if !isList {
				list = []any{content}
			}
			for i, one := range list {
				record, is := one.(map[string]any)
				if !is {
					continue // ID, NODE
				}
				for key, value := range record {
					n++
					d.want("laurel "+kind+"."+key, laurelText(kind, key, value), withoutZeros(ours.laurelValues(kind, key, i)))
				}
			}
		}
	}
	return n
}

// laurelText is a value as auditd would write it.
func laurelText(kind, key string, value any) string {
	switch v := value.(type) {
	case nil:
		return "(null)"
	case json.Number:
		return v.String()
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, laurelText(kind, key, one))
		}
		return strings.Join(all, "\x00")
	case string:
		switch {
		case strings.HasPrefix(v, "0x"):
			return v[2:]
		case strings.HasPrefix(v, "0o"):
			return v[2:]
		}
		if plain, err := url.PathUnescape(v); err == nil {
			v = plain
		}
		if key == "saddr" {
			return fmt.Sprintf("%X", v)
		}
		return v
	}
	return fmt.Sprint(value)
}

// laurelValues are ours of the nth record of a type.
func (p *printed) laurelValues(kind, key string, n int) (got []string) {
	switch {
	case kind == "EXECVE" && key == "ARGV":
		return []string{strings.Join(p.Argv, "\x00")}
	case kind == "SYSCALL" && key == "ARGV":
		return []string{strings.Join(p.all("SYSCALL", "a0", "a1", "a2", "a3"), "\x00")}
	case kind == "PROCTITLE" && key == "ARGV":
		for _, r := range p.Records {
			if list, is := r.Fields["proctitle"].([]any); is && r.Type == kind {
				var all []string
				for _, one := range list {
					all = append(all, one.(string))
				}
				return []string{strings.Join(all, "\x00")}
			}
		}
	}
	for _, r := range p.Records {
		if r.Type != kind {
			continue
		}
		if n > 0 {
			n--
			continue
		}
		return r.values(key)
	}
	return nil
}

// pathContext is a part of the object's context in the nth PATH record.
func (p *printed) pathContext(key string, n int) []string {
	name, part, _ := strings.Cut(key, "_")
	if name != "obj" {
		return nil
	}
	return ofContext(p.laurelValues("PATH", name, n), part)
}

// withoutZeros adds numbers without the zeros in front that laurel leaves out.
func withoutZeros(values []string) []string {
	for _, v := range values {
		if short := strings.TrimLeft(v, "0"); short != v {
			values = append(values, cmp.Or(short, "0"))
		}
	}
	return values
}

// all are the values as they stand of keys of the first record of a type.
func (p *printed) all(kind string, keys ...string) (got []string) {
	for _, r := range p.Records {
		if r.Type == kind {
			for _, key := range keys {
				got = append(got, texts(r.Fields[key])...)
			}
			return got
		}
	}
	return nil
}

// compareRecords compares a record an object.
func compareRecords(d *differences, golden string) (n int) {
	events := printLog(d.t, strings.TrimSuffix(golden, ".golden"))
	var records []struct {
		Type string            `json:"record_type"`
		Raw  string            `json:"raw_msg"`
		Data map[string]string `json:"data"`
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		d.t.Fatal(err)
	}
	decode(d.t, text, &records)
	for _, r := range records {
		if r.Raw == "" {
			continue // a line it could not read
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(r.Raw, "audit("), ")")
		ours := events[id]
		if ours == nil {
			d.t.Errorf("%s: there is no event %s", golden, id)
			continue
		}
		kind := strings.ToUpper(r.Type)
		for key, value := range r.Data {
			n++
			d.want("auparse "+kind+"."+key, value, ours.libauditValues(kind, key))
		}
	}
	return n
}

// compareEvents compares an event an object: what go-libaudit merged of its
// records, with the names it gave.
func compareEvents(d *differences, golden string) (n int) {
	events := printLog(d.t, strings.TrimSuffix(golden, ".json.golden")+".lines.log")
	var all []struct {
		Event struct {
			Time    string `json:"@timestamp"`
			Serial  uint32 `json:"sequence"`
			Result  string
			Session string
			User    struct {
				IDs     map[string]string
				SELinux map[string]string
			}
			Process map[string]any
			Data    map[string]string
			Paths   []map[string]string
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		d.t.Fatal(err)
	}
	decode(d.t, text, &all)
	for _, one := range all {
		e := one.Event
		ours := bySerial(events, e.Serial)
		if ours == nil {
			d.t.Errorf("%s: there is no event %d", golden, e.Serial)
			continue
		}
		check := func(key, value string) {
			n++
			d.want("aucoalesce "+key, value, ours.anyValues(key))
		}
		for key, value := range e.Data {
			check(key, value)
		}
		for key, value := range e.User.IDs {
			check(key, value)
		}
		for key, value := range e.User.SELinux {
			check("subj_"+key, value)
		}
		check("result", e.Result)
		check("ses", e.Session)
		for key, name := range map[string]string{"pid": "pid", "ppid": "ppid", "name": "comm", "exe": "exe", "title": "proctitle", "cwd": "cwd"} {
			if value, is := e.Process[key].(string); is && value != "" {
				check(name, value)
			}
		}
		if args, is := e.Process["args"].([]any); is {
			n++
			d.want("aucoalesce argv", strings.Join(texts(args), " "), []string{strings.Join(texts(toAny(ours.Argv)), " ")})
		}
		for i, path := range e.Paths {
			for key, value := range path {
				n++
				d.want("aucoalesce PATH."+key, value, append(ours.laurelValues("PATH", key, i), ours.pathContext(key, i)...))
			}
		}
	}
	return n
}

func toAny(list []string) (all []any) {
	for _, one := range list {
		all = append(all, one)
	}
	return all
}

func bySerial(events map[string]*printed, serial uint32) *printed {
	for id, e := range events {
		if strings.HasSuffix(id, ":"+strconv.FormatUint(uint64(serial), 10)) {
			return e
		}
	}
	return nil
}

// anyValues are what any record of the event says under go-libaudit's key.
func (p *printed) anyValues(key string) (all []string) {
	for _, r := range p.Records {
		all = append(all, p.libauditValues(r.Type, key)...)
	}
	return all
}

// libauditValues are what records of a type say under go-libaudit's key for it.
func (p *printed) libauditValues(kind, key string) (all []string) {
	for _, r := range p.Records {
		if !strings.EqualFold(r.Type, kind) {
			continue
		}
		all = append(all, r.values(key)...)
		switch key {
		case "result":
			all = append(all, p.Result)
		case "exit": // the error's name alone
			for _, exit := range r.values(key) {
				name, _, _ := strings.Cut(exit, "(")
				all = append(all, name)
			}
		case "socket_family", "socket_addr", "socket_port", "socket_path":
			_, part, _ := strings.Cut(key, "_")
			all = append(all, r.values(part)...)
		case "old_auid", "new_auid": // "old auid=… new auid=…", kernels before 3.10
			all = append(all, r.values("auid")...)
		case "subj_user", "subj_role", "subj_domain", "subj_level", "subj_category",
			"obj_user", "obj_role", "obj_domain", "obj_level", "obj_category":
			name, part, _ := strings.Cut(key, "_")
			all = append(all, ofContext(r.values(name), part)...)
		case "seresult", "seperms":
			for _, text := range r.values("text") {
				words := strings.Fields(text)
				if len(words) > 1 && key == "seresult" {
					all = append(all, words[1])
				}
				if _, rest, found := strings.Cut(text, "{ "); found && key == "seperms" {
					perms, _, _ := strings.Cut(rest, " }")
					all = append(all, strings.ReplaceAll(perms, " ", ","))
				}
			}
		}
	}
	return all
}

// ofContext is a part of security contexts, user:role:domain:level:category.
func ofContext(contexts []string, part string) (all []string) {
	at := slices.Index([]string{"user", "role", "domain", "level", "category"}, part)
	for _, context := range contexts {
		if parts := strings.SplitN(context, ":", 5); at < len(parts) {
			all = append(all, parts[at])
		}
	}
	return all
}

func goldenLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func decode(t *testing.T, text []byte, to any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		t.Fatal(err)
	}
}
