package seal

import "testing"

func TestCutHeader(t *testing.T) {
	const record = "type=USER_LOGIN msg=audit(1709742929.678:2340): pid=1 msg='op=login id=0 res=success'"
	for _, row := range []struct{ name, header, host, record string }{
		{"nothing", "", "", record},
		{"a node", "", "", "node=web1 " + record},
		{"RFC 5424 without structured data", "<86>1 2024-03-06T16:35:29.678Z web auditbridge 7 audit - ", "web", record},
		{"RFC 5424 with structured data", `<86>1 2024-03-06T16:35:29.678+01:00 web auditbridge 7 audit [audit@32473 seq="17" x="a\"]b type=c"][timeQuality tzKnown="1"] `, "web", record},
		{"RFC 5424 with a byte order mark", "<86>1 - web - - - - \xef\xbb\xbf", "web", record},
		{"RFC 5424 and a node", "<86>1 - web - - - - ", "web", "node=web1 " + record},
		{"RFC 3164", "<86>Mar  6 16:35:29 web auditbridge[7]: ", "web", record},
		{"RFC 3164 without a tag", "<86>Mar  6 16:35:29 web ", "web", record},
		{"rsyslog's traditional file", "Mar 16 16:35:29 web auditbridge: ", "web", record},
		{"rsyslog's default file", "2024-03-06T16:35:29.678123+00:00 web auditbridge[7]: ", "web", record},
		{"rsyslog's default file, received as RFC 5424", "2024-03-06T16:35:29.678Z web auditbridge[812] ", "web", record},
		{"rsyslog's debug of an unknown sender", "Mar  6 16:35:29 172.18.4.99 audit  ", "172.18.4.99", record},
		{"an export's own text", "17\tprod\t", "", record},
		{"an IPv6 host", "Mar  6 16:35:29 fe80::1 auditbridge: ", "fe80::1", record},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, end := range []string{"", "\r"} {
				host, got, ok := cutHeader([]byte(row.header + row.record + end))
				if !ok || string(host) != row.host || string(got) != row.record {
					t.Errorf("host %q, record %q, %v", host, got, ok)
				}
			}
		})
	}
}

func TestOtherProgramsMessagesAreNoRecords(t *testing.T) {
	for _, row := range []struct{ line, host string }{
		{"", ""},
		{"# exported 2024-03-06", ""},
		{"Mar  6 16:35:29 web sshd[812]: Accepted publickey for root", "web"},
		{"<38>1 2024-03-06T16:35:29Z web sshd 812 - - Accepted type=x", "web"},
		{"<38>1 2024-03-06T16:35:29Z web sshd 812 - [broken type=x", ""},
		{"Mar  6 16:35:29", ""},
	} {
		if host, _, ok := cutHeader([]byte(row.line)); ok || string(host) != row.host {
			t.Errorf("%q: host %q, record %v", row.line, host, ok)
		}
	}
}

func FuzzCutHeader(f *testing.F) {
	f.Add([]byte("<86>1 - web - - - [a b=\"]\"] type=A msg=audit("))
	f.Add([]byte("Mar  6 16:35:29 web t: node=a type=B msg=audit("))
	f.Fuzz(func(t *testing.T, line []byte) {
		_, record, ok := cutHeader(line)
		if ok && !startsRecord(record) {
			t.Fatalf("%q", record)
		}
		if _, again, _ := cutHeader(record); ok && string(again) != string(record) && record[len(record)-1] != '\r' {
			t.Fatalf("%q became %q", record, again)
		}
	})
}

func TestALineThatIsNoRecordIsFoundBehindItsHeader(t *testing.T) {
	for _, header := range []string{"Mar  6 16:35:29 web auditbridge[7]: ", "2024-03-06T16:35:29.678Z web auditbridge[812] ", "<86>1 - web auditbridge 7 - - "} {
		if host, got, ok := cutHeader([]byte(header + "what a plugin sent")); ok || string(host) != "web" || string(got) != "what a plugin sent" {
			t.Errorf("%q: host %q, %q", header, host, got)
		}
	}
	s := newStream(t).records(2).add("what a plugin sent").records(1).checkpoint()
	var lines []string
	for _, line := range s.lines {
		lines = append(lines, "2024-03-06T16:35:29.678Z web auditbridge[812] "+line)
	}
	if got := verify(Options{}, lines...); !got.OK() || got.Chains[0].Sealed != 4 || got.Chains[0].Foreign != 0 {
		t.Errorf("%s: %+v", got.Summary(), *got.Chains[0])
	}
}
