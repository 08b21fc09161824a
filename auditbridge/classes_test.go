package auditbridge

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// newerTypes are the types that neither go-libaudit 2.6.2 nor a Debian 12
// header knows: kernel 6.18's and libaudit 4.2's.
var newerTypes = map[RecordType]string{
	1338: "DM_CTRL", 1339: "DM_EVENT",
	1420: "IPE_ACCESS", 1421: "IPE_CONFIG_CHANGE", 1422: "IPE_POLICY_LOAD",
	1423: "LANDLOCK_ACCESS", 1424: "LANDLOCK_DOMAIN",
	1425: "MAC_TASK_CONTEXTS", 1426: "MAC_OBJ_CONTEXTS",
	1808: "INTEGRITY_USERSPACE",
}

func TestNoTypeIsForgotten(t *testing.T) {
	for n, name := range newerTypes {
		if got := typeName(n); got != name {
			t.Errorf("typeName(%d) = %q, want %q", n, got, name)
		}
	}
	for n := 0; n < 1<<16; n++ {
		name := auparse.AuditMessageType(n).String()
		if strings.HasPrefix(strings.ToUpper(name), "UNKNOWN[") || boundary.MatchString(name) {
			continue
		}
		if got := typeName(RecordType(n)); got != name {
			t.Errorf("typeName(%d) = %q, go-libaudit says %q", n, got, name)
		}
	}
}

// boundary matches the names that only mark the ends of ranges.
var boundary = regexp.MustCompile(`(^|_)(FIRST|LAST)(_|$)`)

// The header is there when linux-libc-dev is, as on every machine with a C
// compiler; `make test` installs it.
func TestNoTypeOfTheKernelHeaderIsForgotten(t *testing.T) {
	header, err := os.ReadFile("/usr/include/linux/audit.h")
	if err != nil {
		t.Fatalf("reading the kernel's list of types: %v (install linux-libc-dev)", err)
	}
	define := regexp.MustCompile(`(?m)^#define AUDIT_([A-Z0-9_]+)\s+(1[0-9]{3}|2[0-9]{3})\b`)
	for _, m := range define.FindAllStringSubmatch(string(header), -1) {
		n, _ := strconv.Atoi(m[2])
		if boundary.MatchString(m[1]) {
			continue
		}
		if got := typeName(RecordType(n)); got != m[1] {
			t.Errorf("typeName(%d) = %q, the kernel says %q", n, got, m[1])
		}
	}
}

func TestTypeNamesAreReversible(t *testing.T) {
	for n := 0; n < 1<<16; n++ {
		name := RecordType(n).String()
		if got, ok := ParseType([]byte(name)); !ok || got != RecordType(n) {
			t.Fatalf("ParseType(%q) = %d, %v, want %d", name, got, ok, n)
		}
	}
	for _, name := range []string{"", "SYSCAL", "SYSCALLS", "UNKNOWN[", "UNKNOWN[65536]", "UNKNOWN[]", "syscall"} {
		if got, ok := ParseType([]byte(name)); ok {
			t.Errorf("ParseType(%q) = %d, want none", name, got)
		}
	}
}

func TestTypeLookupAllocatesNothing(t *testing.T) {
	name := []byte("CRYPTO_PARAM_CHANGE_USER")
	if n := testing.AllocsPerRun(100, func() { typeByName(name); typeName(1300) }); n != 0 {
		t.Errorf("%v allocations per lookup", n)
	}
}

func BenchmarkTypeByName(b *testing.B) {
	names := [][]byte{[]byte("SYSCALL"), []byte("PROCTITLE"), []byte("CRYPTO_KEY_USER")}
	for i := 0; b.Loop(); i++ {
		typeByName(names[i%3])
	}
}

// docs/format/classes.md has the rows of classes.txt, all of them and in order.
func TestClassesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/format/classes.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(classesText, "\n") {
		columns := strings.Fields(line)
		if len(columns) < 2 || strings.HasPrefix(columns[0], "#") {
			continue
		}
		row := strings.ReplaceAll("\n| "+strings.Join(columns, " | ")+" |\n", "*", `\*`)
		if !strings.Contains(string(page), row) {
			t.Errorf("classes.txt:%d: docs/format/classes.md lacks the row %s", i+1, row)
		}
	}
}

func TestNoSeverityIsDebug(t *testing.T) {
	check := func(k *kind) {
		if k.success == Debug || k.failure == Debug || k.failure > k.success || k.msgID == "" || len(k.msgID) > 32 {
			t.Errorf("row %+v", *k)
		}
	}
	for n := range RecordType(4000) {
		check(kindOf(n))
	}
	for _, k := range classes().keys {
		check(k)
	}
	for _, k := range classes().ops {
		check(k)
	}
}

// The MSGIDs of RFC 5424 messages stand in their own page.
func TestMessageIDsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/format/rfc5424.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(classesText, "\n") {
		columns := strings.Fields(line)
		if len(columns) < 3 || strings.HasPrefix(columns[0], "#") {
			continue
		}
		if id := columns[len(columns)-1]; !strings.Contains(string(page), "\n| "+id+" | ") {
			t.Errorf("docs/format/rfc5424.md lacks MSGID %s", id)
		}
	}
}

// What has a row here has a verb for its sentence, too.
func TestClassesHaveVerbs(t *testing.T) {
	text, err := os.ReadFile("summary/verbs.txt")
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		names, _, _ := strings.Cut(line, "|")
		for name := range strings.SplitSeq(names, ",") {
			verbs[strings.TrimSpace(name)] = true
		}
	}
	for op := range classes().ops {
		if !verbs[op] {
			t.Errorf("auditbridge/summary/verbs.txt has no row for op=%s", op)
		}
	}
	for _, k := range classes().kinds {
		if k != nil && !verbs[k.name] {
			t.Errorf("auditbridge/summary/verbs.txt has no row for %s", k.name)
		}
	}
}
