package auditbridge

import (
	"bytes"
	"testing"
)

func TestRecordsAreFoundInTheirFrames(t *testing.T) {
	const avc = `avc:  denied  { read } for  pid=1 comm="x"`
	for _, row := range []struct{ name, front, host string }{
		{"the kernel's log", "audit: type=1400 audit(1724677759.011:4): ", ""},
		{"dmesg", "[    8.111974] audit: type=1400 audit(1724677759.011:4): ", ""},
		{"dmesg -T", "[Mon Aug 26 13:09:19 2024] audit: type=1400 audit(1724677759.011:4): ", ""},
		{"dmesg -x", "kern  :notice: [    8.111974] audit: type=1400 audit(1724677759.011:4): ", ""},
		{"dmesg -r", "<5>[    8.111974] audit: type=1400 audit(1724677759.011:4): ", ""},
		{"with the caller", "[    8.111974][  T812] audit: type=1400 audit(1724677759.011:4): ", ""},
		{"/dev/kmsg", "5,1234,8111974,-;audit: type=1400 audit(1724677759.011:4): ", ""},
		{"before Linux 3.15", "[    8.111974] type=1400 audit(1724677759.011:4): ", ""},
		{"before Linux 2.6.29", "Sep  7 17:47:53 gutsy kernel: [32339.774269] audit(1724677759.011:4): type=1400 ", "gutsy"},
		{"kern.log", "Aug 22 05:17:20 web1 kernel: [    8.111974] audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"one digit", "Mar  6 16:34:22 web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"fractions and a zone", "Jan  1 15:09:04.562575-08:00 web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"a year", "2020 Sep 04 19:14:07 web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"no time", "kernel: audit: type=1400 audit(1724677759.011:4): ", ""},
		{"lower case", "jan 24 16:33:41 web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"no host", "Jun 05 06:43:02 kernel: audit: type=1400 audit(1724677759.011:4): ", ""},
		{"RFC 3339", "2026-05-26T19:47:43.396634-04:00 web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"a blank for the T", "2013-01-01 15:09:04.562575+08:00 web1 kernel: [ 1911.569682] type=1400 audit(1724677759.011:4): ", "web1"},
		{"facility and severity", "2021-09-11T20:57:41.91645 kern.notice: [  469.180605] audit: type=1400 audit(1724677759.011:4): ", ""},
		{"journalctl -o short-full", "Wed 2024-03-06 16:34:22 UTC web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"journalctl -o short-unix", "1709742862.344123 web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"journalctl -o short-monotonic", "[    8.111974] web1 kernel: audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"RFC 5424", "<5>1 2024-08-26T13:09:19Z web1 kernel - - - audit: type=1400 audit(1724677759.011:4): ", "web1"},
		{"a serial console", "root@web1:~# [   21.292790] audit: type=1400 audit(1724677759.011:4): ", ""},
		{"audisp-syslog", "Mar  6 16:34:22 web1 audispd: type=AVC msg=audit(1724677759.011:4): ", "web1"},
		{"audisp-syslog with its pid", "Mar  6 16:34:22 web1 audisp-syslog[812]: node=db7 type=AVC msg=audit(1724677759.011:4): ", "db7"},
		{"our own copy", `<86>1 2024-08-26T13:09:19.011Z web1 auditbridge 7 ACCESS_DECISION [auditbridge@32473.1.0.0 sequence="17"] type=AVC msg=audit(1724677759.011:4): `, "web1"},
		{"our own copy in rsyslog's file", "2024-03-06T16:35:29.678Z web1 auditbridge[812] node=db7 type=AVC msg=audit(1724677759.011:4): ", "db7"},
		{"a followed file", "Mar  6 16:34:22 web1 audit_log: type=AVC msg=audit(1724677759.011:4): ", "web1"},
		{"grep", "audit.log:type=AVC msg=audit(1724677759.011:4): ", ""},
		{"grep -n", "/var/log/audit/audit.log:17:node=db7 type=AVC msg=audit(1724677759.011:4): ", "db7"},
		{"a number for the name", "type=1400 msg=audit(1724677759.011:4): ", ""},
		{"behind NULs", "\x00\x00\x00type=AVC msg=audit(1724677759.011:4): ", ""},
		{"behind a byte order mark", "\xef\xbb\xbftype=AVC msg=audit(1724677759.011:4): ", ""},
		{"no frame", "type=AVC msg=audit(1724677759.011:4): ", ""},
		{"a node", "node=db7 type=AVC msg=audit(1724677759.011:4): ", "db7"},
	} {
		t.Run(row.name, func(t *testing.T) {
			line := []byte(row.front + avc)
			h, ok := ParseFramed(line)
			if !ok {
				t.Fatal("no record")
			}
			h.ID.Node = string(h.Node)
			r := Record{Type: h.Type, Line: line, Body: h.Body}
			if got := h.ID.String() + " " + h.Type.String() + " " + string(r.TypeName()) + " " + string(line[h.Body:]); got != (EventID{row.host, 1724677759, 11, 4}).String()+" AVC AVC "+avc {
				t.Error(got)
			}
		})
	}
}

func TestWhatOnlyLooksLikeARecordInAFrame(t *testing.T) {
	for _, row := range []struct{ why, line string }{
		{"another program spoke", "Mar  6 16:34:22 web1 sshd[812]: Invalid user type=USER_LOGIN msg=audit(1.002:3): op=login"},
		{"another program spoke", "<38>1 2024-03-06T16:34:22Z web1 sshd 812 - - type=USER_LOGIN msg=audit(1.002:3): op=login"},
		{"another part of the kernel spoke", "Mar  6 16:34:22 web1 kernel: [    8.111974] usb 1-1: Product: audit: type=1112 audit(1.002:3): pid=1"},
		{"the same, to journalctl", "Mar  6 16:34:22 web1 kernel: usb 1-1: Product: [1.0] audit: type=1112 audit(1.002:3): pid=1"},
		{"the same, to dmesg", "[    8.111974] usb 1-1: Product: audit: type=1112 audit(1.002:3): pid=1"},
		{"the same, to dmesg -t", "usb 1-1: Product: type=USER_LOGIN msg=audit(1.002:3): pid=1"},
		{"the same, to dmesg -x", "kern  :info  : [    8.111974] usb 1-1: Product: audit: type=1112 audit(1.002:3): pid=1"},
		{"the same, to /dev/kmsg", "6,1234,8111974,-;usb 1-1: Product: audit: type=1112 audit(1.002:3): pid=1"},
		{"a value holds it", "Mar  6 16:34:22 web1 kernel: audit: comm=type=1400 audit(1.002:3): x"},
		{"a value holds it", "type=USER_LOGIN msg=audit(oops): acct=x type=USER_LOGIN msg=audit(1.002:3): op=login"},
		{"it is quoted", `{"MESSAGE":"audit: type=1400 audit(1.002:3): avc"}`},
		{"journald has taken the stamp away", "Mar  6 16:34:22 web1 audit[812]: USER_LOGIN pid=812 uid=0"},
		{"no type", "Mar  6 16:34:22 web1 kernel: audit(1.002:3): initialized"},
		{"no name, no number", "audit: type=x audit(1.002:3): y"},
		{"too high a number", "audit: type=65536 audit(1.002:3): y"},
		{"nothing", ""},
	} {
		if h, ok := ParseFramed([]byte(row.line)); ok {
			t.Errorf("%s, and yet %v %v in %q", row.why, h.Type, h.ID, row.line)
		}
	}
}

func TestACarriageReturnBelongsToTheLineNotToAValue(t *testing.T) {
	for _, line := range []string{
		"type=SYSCALL msg=audit(1.002:3): arch=c000003e success=no exit=-13\r",
		"type=USER_AUTH msg=audit(1.002:3): pid=1 msg='res=failed'\r",
		"type=LOGIN msg=audit(1.002:3): res=0\x1dUID=\"root\"\r",
	} {
		h, _ := ParseHeader([]byte(line))
		e := Event{ID: h.ID, Records: []Record{{Type: h.Type, Line: []byte(line), Body: h.Body}}}
		if v := Classify(&e); v.Result != Fail {
			t.Errorf("%q: %v", line, v.Result)
		}
		for _, f := range []Fields{e.Records[0].Stamped(), e.Records[0].Claims(), e.Records[0].Resolved()} {
			for f.Next() {
				if bytes.IndexByte(f.Value, '\r') >= 0 {
					t.Errorf("%q: value %q", line, f.Value)
				}
			}
		}
	}
	if h, ok := ParseHeader([]byte("type=EOE msg=audit(1.002:3):\r")); !ok || h.ID.Serial != 3 {
		t.Error("an EOE with CR is no record")
	}
}

// A stream may keep the reassembler waiting for as much as it likes; what is
// kept of it stays bounded.
func TestBuffersOfEndedEventsStayBounded(t *testing.T) {
	r := NewReassembler(Limits{})
	seq := Sequence(0)
	emit := func(*Event) {}
	long := bytes.Repeat([]byte{'x'}, 30<<10)
	for round := range 40 {
		for i := range 400 { // big ones, ended together; then small ones in their buffers
			line := append([]byte("type=PATH msg=audit(1.002:"), []byte(string(rune('0'+i%10)))...)
			line = append(line, []byte(string(rune('0'+i/10%10))+string(rune('0'+i/100))+string(rune('0'+round%10))+"): ")...)
			if round%2 == 0 {
				line = append(line, long...)
			}
			seq++
			r.Push(seq, line, emit)
		}
		r.Flush(emit)
		if r.open.held > heldBytes+2*r.limits.OpenBytes {
			t.Fatalf("round %d: %d MiB held", round, r.open.held>>20)
		}
	}
	held := 0
	for e := r.open.free; e != nil; e = e.links[inAll].next {
		held += cap(e.bytes)
	}
	if held != r.open.held {
		t.Errorf("%d bytes held, %d counted", held, r.open.held)
	}
}

func FuzzParseFramed(f *testing.F) {
	f.Add([]byte("Mar  6 16:34:22 web1 kernel: [    8.111974] audit: type=1400 audit(1724677759.011:4): avc:  denied"))
	f.Add([]byte("<86>1 - web - - - [a b=\"]\"] node=x type=AVC msg=audit(1.002:3): a=b\r"))
	f.Add([]byte("[1] audit(1.002:3): type=1503 x"))
	f.Add([]byte("\x00\xef\xbb\xbfhost=a type=1400 msg=audit(1.002:3):"))
	f.Fuzz(func(t *testing.T, line []byte) {
		h, ok := ParseFramed(line)
		if plain, is := ParseHeader(line); is && (!ok || h.Body != plain.Body || h.ID != plain.ID) {
			t.Fatalf("%q: %+v, in a frame %+v", line, plain, h)
		}
		if !ok {
			return
		}
		if h.Body <= 0 || h.Body > len(line) || len(h.Node) > maxNode || !bytes.Contains(line[:h.Body], []byte("audit(")) {
			t.Fatalf("%q: %+v", line, h)
		}
		r := Record{Type: h.Type, Line: line, Body: h.Body}
		if len(r.TypeName()) == 0 {
			t.Fatalf("%q has no type", line)
		}
	})
}
