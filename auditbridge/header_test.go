package auditbridge

import "testing"

func TestParseHeader(t *testing.T) {
	for _, row := range []struct {
		line string
		want string // EventID, type and body; empty is no header
	}{
		{"type=SYSCALL msg=audit(1709742929.678:2340): arch=1", "audit(1709742929.678:2340) SYSCALL arch=1"},
		{"node=web1.rack2 type=EOE msg=audit(1.002:3): ", "node=web1.rack2 audit(1.002:3) EOE "},
		{"type=EOE msg=audit(1.002:3):", "audit(1.002:3) EOE "},
		{"type=UNKNOWN[1999] msg=audit(1.002:4294967295): x", "audit(1.002:4294967295) UNKNOWN[1999] x"},
		{"type=BRAND_NEW msg=audit(1.002:3): x", "audit(1.002:3) UNKNOWN[0] x"},
		{"host=old type=EOE msg=audit(1.002:3): ", "node=old audit(1.002:3) EOE "},
		{"type=DAEMON_START msg=audit(1.002:3) auditd start", "audit(1.002:3) DAEMON_START auditd start"},
		{"type=EOE msg=audit(1.002:3)x", ""},
		{"type=EOE msg=audit(1.002:3):x", ""},
		{"type=EOE msg=audit(1.002:4294967296): ", ""},
		{"type=EOE msg=audit(1.1000:3): ", ""},
		{"type=EOE msg=audit(253402300800.000:3): ", ""},
		{"type=EOE msg=audit(1:3): ", ""},
		{"type=EOE msg=audit(.1:3): ", ""},
		{"type=EOE msg=audit(-1.1:3): ", ""},
		{"type=lower msg=audit(1.1:3): ", ""},
		{"type= msg=audit(1.1:3): ", ""},
		{"type=EOE", ""},
		{"node= type=EOE msg=audit(1.1:3): ", ""},
		{"node=x", ""},
		{" type=EOE msg=audit(1.1:3): ", ""},
		{"", ""},
	} {
		got := ""
		if h, ok := ParseHeader([]byte(row.line)); ok {
			h.ID.Node = string(h.Node)
			got = h.ID.String() + " " + h.Type.String() + " " + row.line[h.Body:]
		}
		if got != row.want {
			t.Errorf("%q: %q, want %q", row.line, got, row.want)
		}
	}
}

func TestTimestamp(t *testing.T) {
	for _, row := range []struct {
		id   EventID
		want string
	}{
		{EventID{Seconds: 1709742862, Millis: 344}, "2024-03-06T16:34:22.344Z"},
		{EventID{}, "1970-01-01T00:00:00.000Z"},
		{EventID{Seconds: 1709164799, Millis: 9}, "2024-02-28T23:59:59.009Z"},
		{EventID{Seconds: 1709251199, Millis: 999}, "2024-02-29T23:59:59.999Z"},
		{EventID{Seconds: 253402300799}, "9999-12-31T23:59:59.000Z"},
	} {
		if got := string(row.id.AppendTime(nil)); got != row.want {
			t.Errorf("%d.%03d is %s, want %s", row.id.Seconds, row.id.Millis, got, row.want)
		}
	}
}
