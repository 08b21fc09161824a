package ecs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

var update = flag.Bool("update", false, "write golden files anew")

// events puts a log through the reassembler and calls f for each event.
func events(log []byte, f func(*auditbridge.Event, *auditbridge.Verdict)) {
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	emit := func(e *auditbridge.Event) {
		v := auditbridge.Classify(e)
		f(e, &v)
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n")) {
		r.Push(auditbridge.Sequence(i+1), line, emit)
	}
	r.Flush(emit)
}

var samples = []string{"sshd", "oddities", "execve"}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	log, err := os.ReadFile("../../auditbridge/testdata/events/" + name + ".log")
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestGoldenEvents(t *testing.T) {
	for _, name := range samples {
		var w Writer
		var got []byte
		events(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			got = w.AppendEvent(got, e, v)
		})
		golden := "testdata/" + name + ".json"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

// flat is an object's leaves by their dotted names; lists of strings have
// blanks between. A name that stands twice fails the test.
func flat(t *testing.T, line []byte) map[string]string {
	t.Helper()
	if bytes.IndexByte(line, '\n') != len(line)-1 {
		t.Fatalf("not one line: %q", line)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	all := map[string]string{}
	if err := walk(d, "", all); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return all
}

// walk reads one value; json.Unmarshal would take a name that stands twice.
func walk(d *json.Decoder, name string, all map[string]string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			if seen[key.(string)] {
				return fmt.Errorf("%s.%s stands twice", name, key)
			}
			seen[key.(string)] = true
			if err := walk(d, strings.TrimPrefix(name+"."+key.(string), "."), all); err != nil {
				return err
			}
		}
		if len(seen) == 0 {
			return fmt.Errorf("%s is empty", name)
		}
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			item := map[string]string{}
			if err := walk(d, "", item); err != nil {
				return err
			}
			if i > 0 {
				all[name] += " "
			}
			all[name] += item[""]
		}
	default:
		all[name] = fmt.Sprint(token)
		return nil
	}
	_, err = d.Token()
	return err
}

// fields are logs of one event, and names that must have these values.
var fields = []struct{ name, log, want string }{
	{"a login that failed: who tries is the user", `node=web1 type=USER_LOGIN msg=audit(1709742864.269:2321): pid=7120 uid=0 auid=4294967295 ses=4294967295 msg='op=login acct="joe" exe="/usr/sbin/sshd" hostname=? addr=198.51.100.23 terminal=ssh res=failed'`,
		`@timestamp=2024-03-06T16:34:24.269Z event.action=logged-in event.category=authentication event.code=USER_LOGIN event.kind=event event.outcome=failure event.sequence=2321 event.type=start host.name=web1 process.executable=/usr/sbin/sshd process.name=sshd process.pid=7120 related.hosts=web1 related.ip=198.51.100.23 related.user=joe source.address=198.51.100.23 source.ip=198.51.100.23 user.effective.id=0 user.name=joe`},
	{"a session: the login user, and as whom", `type=USER_START msg=audit(1.000:1): pid=1 uid=0 auid=1000 ses=5 msg='op=PAM:session_open acct="root" exe="/usr/bin/su" hostname=a.example addr=? res=success'`,
		`event.category=session event.type=start event.outcome=success user.id=1000 user.effective.name=root auditd.session=5 source.address=a.example source.domain=a.example`},
	{"an account is administered: it is the target", `type=ADD_USER msg=audit(1.000:1): pid=1 uid=0 auid=1000 ses=5 msg='op=adding user id=1001 exe="/usr/sbin/useradd" res=success'`,
		`event.category=iam event.type=user creation event.action=added-user-account user.id=1000 user.effective.id=0 user.target.id=1001`},
	{"a group", `type=ADD_GROUP msg=audit(1.000:1): pid=1 uid=0 auid=1000 ses=5 msg='op=adding group acct="wheel" exe="/usr/sbin/groupadd" res=success'`,
		`event.type=group creation group.name=wheel`},
	{"a group by its id", `type=DEL_GROUP msg=audit(1.000:1): pid=1 uid=0 auid=1000 ses=5 msg='op=delete-group id=1005 exe="/usr/sbin/groupdel" res=success'`,
		`event.type=group deletion group.id=1005`},
	{"a file: whole path, mode, keys", `type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=90 success=no exit=-13 ppid=1 pid=47 auid=1000 uid=0 gid=0 euid=0 ses=3 comm="chmod" exe="/usr/bin/chmod" key=6964656E74697479016F74686572` + "\x1d" + `AUID="jane" UID="root" EUID="root" GID="root"
type=CWD msg=audit(1.000:1): cwd="/etc"
type=PATH msg=audit(1.000:1): item=0 name="./a b" inode=10 dev=08:01 mode=0100644 ouid=7 ogid=8 nametype=NORMAL`,
		`event.category=file event.type=change event.action=changed-file-permissions-of event.outcome=failure event.reason=EACCES file.path=/etc/a b file.name=a b file.directory=/etc file.mode=0644 file.type=file file.inode=10 file.uid=7 file.gid=8 tags=identity other user.id=1000 user.name=jane user.effective.name=root related.user=jane root user.group.id=0 user.group.name=root process.parent.pid=1`},
	{"a file that was made", `type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=257 success=yes exit=3 pid=47 auid=1000 uid=0 comm="touch"
type=PATH msg=audit(1.000:1): item=0 name="/etc/" inode=9 mode=040755 nametype=PARENT
type=PATH msg=audit(1.000:1): item=1 name="/etc/new" inode=10 mode=0100644 nametype=CREATE`,
		`event.category=file event.type=creation event.action=opened-file file.path=/etc/new`},
	{"a program: its arguments, whole", `type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=2 auid=1000 uid=1000 comm="sh" exe="/bin/sh"
type=EXECVE msg=audit(1.000:1): argc=3 a0="sh" a1_len=4 a1[0]="on" a1[1]="ce"
type=EXECVE msg=audit(1.000:1): a2=612062
type=PROCTITLE msg=audit(1.000:1): proctitle=736800612062`,
		`event.category=process event.type=start event.action=executed process.args=sh once a b process.command_line=sh a b auditd.data.argc=3 auditd.data.a1_len=4`},
	{"a connection", `type=SYSCALL msg=audit(1.000:5): arch=c000003e syscall=42 success=yes exit=0 pid=2 uid=0
type=SOCKADDR msg=audit(1.000:5): saddr=020001BBC00002070000000000000000`,
		`event.category=network event.type=connection start event.action=connected-to destination.ip=192.0.2.7 destination.port=443 related.ip=192.0.2.7`},
	{"a packet", `type=NETFILTER_PKT msg=audit(1.000:3): mark=0x1 saddr=192.0.2.1 daddr=192.0.2.2 proto=6 sport=40122 dport=22`,
		`event.category=network source.ip=192.0.2.1 destination.port=22 network.transport=tcp network.iana_number=6`},
	{"software", `type=SOFTWARE_UPDATE msg=audit(1.000:1): pid=7 uid=0 auid=1000 ses=4 msg='sw="bash-5.2" sw_type=rpm key_enforce=0 gpg_res=1 root_dir="/" comm="dnf" exe="/usr/bin/dnf" res=success'`,
		`event.category=package event.action=package-updated package.name=bash-5.2`},
	{"an account is locked by name", `type=ACCT_LOCK msg=audit(1.000:1): pid=1 uid=0 auid=1000 ses=5 msg='op=locked-password acct="joe" id=1001 exe="/usr/bin/passwd" res=success'`,
		`event.type=user change user.target.name=joe user.target.id=1001 related.user=joe`},
	{"what a program claims is not what the kernel says", `type=USER_AUTH msg=audit(1.000:1): pid=7 uid=1000 auid=4294967295 ses=4294967295 msg='op=x auid=0 pid=1 res=success'`,
		`user.id=1000 process.pid=7 auditd.data.auid=4294967295 auditd.claimed.auid=0 auditd.claimed.pid=1`},
	{"our own record", `type=DAEMON_ERR msg=audit(1.000:4278190082): op=alarm-raised auid=4294967295 pid=77 uid=0 ses=4294967295 alarm=disk-low res=success`,
		`event.kind=alert event.action=alarm-raised event.category=host auditbridge.class=alarm`},
	{"what is no record", `no record`, `event.original=no record auditbridge.ended=malformed event.outcome=unknown`},
}

// Where things stand, as rules for the schema look for them.
func TestFields(t *testing.T) {
	for _, row := range fields {
		t.Run(row.name, func(t *testing.T) {
			events([]byte(row.log), func(e *auditbridge.Event, v *auditbridge.Verdict) {
				all := flat(t, new(Writer).AppendEvent(nil, e, v))
				for key, want := range pairs(row.want) {
					if got := all[key]; got != want {
						t.Errorf("%s is %q, want %q", key, got, want)
					}
				}
			})
		})
	}
}

// Who has an id is asked of the host's tables, for the host the record is from.
func TestNamesFromTables(t *testing.T) {
	w := Writer{Interpreter: &interpret.Interpreter{Names: jane{}}}
	line := `node=web1 type=USER_LOGIN msg=audit(1.000:1): pid=7 uid=0 auid=1000 ses=5 msg='op=login id=1000 res=success'`
	events([]byte(line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		all := flat(t, w.AppendEvent(nil, e, v))
		if all["user.name"] != "jane@web1" || all["related.user"] != "jane@web1" || !strings.Contains(all["message"], "jane@web1") {
			t.Errorf("user.name=%s related.user=%s message=%s", all["user.name"], all["related.user"], all["message"])
		}
	})
}

type jane struct{}

func (jane) AppendUser(dst []byte, node string, id uint32) ([]byte, bool) {
	if id != 1000 {
		return dst, false
	}
	return append(append(dst, "jane@"...), node...), true
}

func (jane) AppendGroup(dst []byte, _ string, _ uint32) ([]byte, bool) { return dst, false }

// pairs reads name=value words; a word without '=' belongs to the value before.
func pairs(text string) map[string]string {
	all, last := map[string]string{}, ""
	for word := range strings.FieldsSeq(text) {
		if key, value, ok := strings.Cut(word, "="); ok {
			last = key
			all[key] = value
		} else {
			all[last] += " " + word
		}
	}
	return all
}

// Whatever an event holds stands in auditd.data, auditd.claimed or process.args,
// in order; no name is in another, and the object is one line.
func check(t *testing.T, e *auditbridge.Event, v *auditbridge.Verdict) {
	t.Helper()
	var w Writer
	line := w.AppendEvent(nil, e, v)
	flat(t, line)
	var object struct {
		Auditd struct{ Data, Claimed map[string]any }
	}
	if err := json.Unmarshal(line, &object); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for i := range e.Records {
		r := &e.Records[i]
		if r.Body == 0 {
			return
		}
		for _, part := range []struct {
			fields auditbridge.Fields
			at     map[string]any
		}{{r.Stamped(), object.Auditd.Data}, {r.Claims(), object.Auditd.Claimed}, {r.Resolved(), object.Auditd.Data}} {
			for f := part.fields; f.Next(); {
				if len(f.Key) == 0 || r.Type == typeExecve && isArgument(f.Key) {
					continue
				}
				value := asJSON(f.AppendDecoded(nil, r.Type))
				switch got := part.at[asName(f.Key)].(type) {
				case string:
					if got != value {
						t.Errorf("%s is %q, want %q", f.Key, got, value)
					}
				case []any:
					if !slices.Contains(got, any(value)) {
						t.Errorf("%s is %q, without %q", f.Key, got, value)
					}
				default:
					t.Errorf("%q is missing in %s", f.Key, line)
				}
			}
		}
	}
}

// asJSON is what a reader gets of b.
func asJSON(b []byte) (s string) {
	json.Unmarshal((&object{dst: []byte("[")}).quoted(b), &s)
	return s
}

func asName(b []byte) (s string) {
	json.Unmarshal(appendName(nil, b), &s)
	return s
}

func (o *object) quoted(b []byte) []byte {
	o.item(b)
	return o.dst[1:]
}

func TestNothingIsLost(t *testing.T) {
	for _, name := range samples {
		events(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) { check(t, e, v) })
	}
}

func FuzzAppendEvent(f *testing.F) {
	f.Add([]byte(`type=USER_AUTH msg=audit(1.002:3): pid=1 pid=2 a b msg='op=x op=y "z" acct=\xff msg=1 text=2'`))
	f.Add([]byte("type=AVC msg=audit(1.002:3): avc:  denied  { read } for  =\x1dA=\"b\" msg=x"))
	f.Add([]byte(`type=EXECVE msg=audit(1.002:3): argc=2 a0="x" a1[0]=4142 a1[1]=00FF a2_len=9 a=1 aa=2`))
	f.Add([]byte(`type=SYSCALL msg=audit(1.002:3): arch=c000003e syscall=42 pid=007 ppid=-1 mode=1 exe="/" comm="{"`))
	f.Add([]byte("type=USER msg=audit(1.002:3): a\\xFF=1 a\xff=2 a\"=3"))
	f.Add([]byte("\xc3("))
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') < 0 {
			events(line, func(e *auditbridge.Event, v *auditbridge.Verdict) { check(t, e, v) })
		}
	})
}

func TestAppendEventAllocatesNothing(t *testing.T) {
	var w Writer
	dst := make([]byte, 0, 256<<10)
	for _, name := range samples {
		events(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			if n := testing.AllocsPerRun(10, func() { dst = w.AppendEvent(dst[:0], e, v) }); n != 0 {
				t.Errorf("%v allocations for %s", n, e.Records[0].Line)
			}
		})
	}
}

// expected are the event types that the schema has for each category (ECS 8.17,
// field reference, "event.category").
var expected = map[string]string{
	"authentication":      "start end info",
	"configuration":       "access change creation deletion info",
	"driver":              "change end info start",
	"file":                "access change creation deletion info",
	"host":                "access change end info start",
	"iam":                 "admin change creation deletion group info user",
	"intrusion_detection": "allowed denied info",
	"network":             "access allowed connection denied end info protocol start",
	"package":             "access change deletion info installation start",
	"process":             "access change end info start",
	"session":             "start end info",
}

// Every row keeps to the schema's vocabulary. That every MSGID has one is tested
// in docs.
func TestTableKeepsToTheSchema(t *testing.T) {
	all := map[string]*meaning{"": meanings().call}
	for _, rows := range []map[string]*meaning{meanings().msgIDs, meanings().types, meanings().calls} {
		for name, m := range rows {
			all[name] = m
		}
	}
	for name, m := range all {
		var categories, types []string
		if json.Unmarshal([]byte("["+m.categories+"]"), &categories) != nil || json.Unmarshal([]byte("["+m.types+"]"), &types) != nil {
			t.Fatalf("%s: %+v", name, m)
		}
		if m.kind != "event" && m.kind != "alert" {
			t.Errorf("%s: kind %q", name, m.kind)
		}
		for _, one := range types {
			if !slices.ContainsFunc(categories, func(c string) bool { return slices.Contains(strings.Fields(expected[c]), one) }) {
				t.Errorf("%s: %s is no type of %v", name, one, categories)
			}
		}
		for _, c := range categories {
			if expected[c] == "" {
				t.Errorf("%s: %q is no category", name, c)
			}
		}
	}
}

// Every name that is written stands in docs/format/ecs.md, and every one there
// is written.
func TestFieldsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/ecs.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_@.*]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = false
	}
	note := func(e *auditbridge.Event, v *auditbridge.Verdict) {
		for name := range flat(t, new(Writer).AppendEvent(nil, e, v)) {
			for _, open := range []string{"auditd.data.", "auditd.claimed."} {
				if strings.HasPrefix(name, open) {
					name = open + "*"
				}
			}
			if _, ok := documented[name]; !ok {
				t.Errorf("%s is not documented", name)
			}
			documented[name] = true
		}
	}
	for _, name := range samples {
		events(sample(t, name), note)
	}
	for _, row := range fields {
		events([]byte(row.log), note)
	}
	for name, written := range documented {
		if !written {
			t.Errorf("%s is documented, and never written", name)
		}
	}
}
