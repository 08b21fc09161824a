package jsonline

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// addresses are one of each family whose parts are known.
const addresses = `type=SOCKADDR msg=audit(1700000000.001:1): saddr=02000016C00002010000000000000000
type=SOCKADDR msg=audit(1700000000.001:2): saddr=0A000016000000000000000000000000000000000000000100000000
type=SOCKADDR msg=audit(1700000000.001:3): saddr=01002F746D702F7300
type=SOCKADDR msg=audit(1700000000.001:4): saddr=100000000100000002000000
type=SOCKADDR msg=audit(1700000000.001:5): saddr=28000000D2040000030000000000000000
type=SOCKADDR msg=audit(1700000000.001:6): saddr=1100080602000000010006000102030405060000
type=SOCKADDR msg=audit(1700000000.001:7): saddr=1D0000000200000000000000000000000000000000000000
type=SOCKADDR msg=audit(1700000000.001:8): saddr=2C000000020000000300000000000000
type=SOCKADDR msg=audit(1700000000.001:9): saddr=260068617368000000000000000000000000000000000000736861323536000000
`

// Every member that is written stands in docs/format/json.md, and every one of its
// tables is written. Those of fields are the records' own.
func TestMembersAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(page), "| member | is |")
	ofEvent, ofRecord, _ := strings.Cut(tables, "| member | is |")
	unseen := map[string]bool{}
	documented := func(table string) map[string]bool {
		all := map[string]bool{}
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|(.*)$").FindAllStringSubmatch(table, -1) {
			all[row[1]], unseen[row[1]] = true, true
			for _, beside := range regexp.MustCompile("`([a-z]+_hex)`").FindAllStringSubmatch(row[2], -1) {
				all[beside[1]] = true
			}
		}
		return all
	}
	members, records := documented(ofEvent), documented(ofRecord)
	check := func(where string, known map[string]bool, object map[string]json.RawMessage) {
		for name := range object {
			delete(unseen, name)
			if !known[name] {
				t.Errorf("%s has %q, which docs/format/json.md lacks", where, name)
			}
		}
	}
	_, parts, _ := strings.Cut(string(page), "- `saddr` in a SOCKADDR record is an object: ")
	parts, _, _ = strings.Cut(parts, "What is no address")
	unmet := map[string]bool{} // members of an address that are documented
	for _, name := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(parts, -1) {
		unmet[name[1]] = true
	}
	ofAddress := maps.Clone(unmet)
	logs := addresses
	for _, file := range []string{"../../auditbridge/testdata/events/sshd.log", "../../auditbridge/testdata/events/execve.log", "../../auditbridge/testdata/events/oddities.log", "testdata/exact.log"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		logs += string(text)
	}
	w := Writer{Interpreter: new(interpret.Interpreter)}
	events([]byte(logs), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		var event, record, fields map[string]json.RawMessage
		decodeInto(t, w.AppendEvent(nil, e, v), &event)
		check("an event", members, event)
		var list []json.RawMessage
		decodeInto(t, event["records"], &list)
		for _, text := range list {
			record, fields = nil, nil
			decodeInto(t, text, &record)
			check("a record", records, record)
			if record["fields"] == nil {
				continue
			}
			decodeInto(t, record["fields"], &fields)
			var address map[string]any
			if json.Unmarshal(fields["saddr"], &address) != nil {
				continue
			}
			for name := range address {
				delete(unmet, name)
				if !ofAddress[name] {
					t.Errorf("an address has %q, which docs/format/json.md lacks", name)
				}
			}
		}
	})
	for name := range unmet {
		t.Errorf("docs/format/json.md has %q of an address, which nothing here is written with", name)
	}
	for name := range unseen {
		t.Errorf("docs/format/json.md has %q, which nothing here is written with", name)
	}
}

func decodeInto(t *testing.T, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
