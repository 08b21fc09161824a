package outline

import (
	"bytes"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

func events(log string, f func(*auditbridge.Event, *auditbridge.Verdict)) {
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	emit := func(e *auditbridge.Event) {
		v := auditbridge.Classify(e)
		f(e, &v)
	}
	for i, line := range strings.Split(strings.TrimSuffix(log, "\n"), "\n") {
		r.Push(auditbridge.Sequence(i+1), []byte(line), emit)
	}
	r.Flush(emit)
}

// say is all of an outline that is set, as Name=value.
func say(o *Outline) string {
	var all []string
	v := reflect.ValueOf(o).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsNil() {
			all = append(all, f.Name+"="+string(v.Field(i).Bytes()))
		}
	}
	return strings.Join(all, " ")
}

func TestOutline(t *testing.T) {
	for _, row := range []struct{ log, want string }{
		{`type=USER_LOGIN msg=audit(1.000:1): pid=7311 uid=0 auid=1000 ses=5 msg='op=login id=1000 exe="/usr/sbin/sshd" hostname=? addr=198.51.100.23 terminal=/dev/pts/1 res=success'`,
			"LoginID=1000 UserID=0 Session=5 PID=7311 Program=/usr/sbin/sshd Terminal=/dev/pts/1 AccountID=1000 SourceAddress=198.51.100.23 Operation=login"},
		// What a program claims of itself does not pass for what the kernel stamped.
		{`type=USER_AUTH msg=audit(1.000:1): pid=7 uid=1000 auid=4294967295 ses=4294967295 msg='op=x auid=0 uid=0 pid=1 ses=1 subj=a acct="root" res=success'`,
			"UserID=1000 PID=7 Account=root Operation=x"},
		// The path that was made, not the directory it is in; its program from the system call.
		{`type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=257 success=yes exit=3 ppid=1 pid=2 auid=1000 uid=0 gid=0 euid=0 tty=pts0 ses=5 comm="vi" exe="/usr/bin/vi" key=6964656E74697479016F74686572` + "\x1d" + `AUID="jane" UID="root"
type=CWD msg=audit(1.000:1): cwd="/etc"
type=PATH msg=audit(1.000:1): item=0 name="/etc/" inode=9 dev=08:01 mode=040755 ouid=0 ogid=0 nametype=PARENT
type=PATH msg=audit(1.000:1): item=1 name=612062 inode=10 dev=08:01 mode=0100644 ouid=7 ogid=8 nametype=CREATE
type=PATH msg=audit(1.000:1): item=2 name="third" inode=11 dev=08:01 mode=0100600 ouid=1 ogid=1 nametype=NORMAL
type=PROCTITLE msg=audit(1.000:1): proctitle=766900612062`,
			"LoginID=1000 LoginName=jane UserID=0 UserName=root EffectiveID=0 GroupID=0 Session=5 PID=2 ParentPID=1 Program=/usr/bin/vi Name=vi Title=vi a b Directory=/etc Terminal=pts0 Path=a b PathMode=0100644 Inode=10 Device=08:01 OwnerID=7 OwnerGroupID=8 PathType=CREATE Key=identity\x01other Arch=c000003e Syscall=257 Exit=3 Call=openat"},
		// A security module's name has no directory; the path has.
		{`type=AVC msg=audit(1.000:2): avc:  denied  { read } for  pid=811 comm="httpd" name="b" dev="sda1" ino=77 scontext=s tcontext=t tclass=file permissive=0
type=PATH msg=audit(1.000:2): item=0 name="/a/b" inode=78 mode=0100644 nametype=NORMAL`,
			"Label=s PID=811 Name=httpd Path=/a/b PathMode=0100644 Inode=78 PathType=NORMAL ObjectLabel=t"},
		{`type=NETFILTER_PKT msg=audit(1.000:3): mark=0x1 saddr=192.0.2.1 daddr=192.0.2.2 proto=6 sport=40122 dport=22`,
			"SourceAddress=192.0.2.1 SourcePort=40122 DestinationAddress=192.0.2.2 DestinationPort=22 Transport=6"},
		{`type=SYSCALL msg=audit(1.000:4): arch=c000003e syscall=62 success=yes exit=0 pid=2 uid=0 comm="kill"
type=OBJ_PID msg=audit(1.000:4): opid=77 oauid=1 ouid=1 oses=1 obj=x ocomm="victim"`,
			"UserID=0 PID=2 Name=kill ObjectLabel=x ObjectPID=77 ObjectName=victim Arch=c000003e Syscall=62 Exit=0 Call=kill"},
		// Which end an address is, the system call says.
		{`type=SYSCALL msg=audit(1.000:5): arch=c000003e syscall=42 success=yes exit=0 pid=2
type=SOCKADDR msg=audit(1.000:5): saddr=020001BBC00002070000000000000000`,
			"PID=2 DestinationAddress=192.0.2.7 DestinationPort=443 Arch=c000003e Syscall=42 Exit=0 Call=connect"},
		{`type=SYSCALL msg=audit(1.000:5): arch=c000003e syscall=43 success=yes exit=0 pid=2
type=SOCKADDR msg=audit(1.000:5): saddr=020001BBC00002070000000000000000`,
			"PID=2 SourceAddress=192.0.2.7 SourcePort=443 Arch=c000003e Syscall=43 Exit=0 Call=accept"},
		// A local socket's path is no address, whatever it spells.
		{`type=SYSCALL msg=audit(1.000:6): arch=c000003e syscall=42 success=yes exit=0 pid=2
type=SOCKADDR msg=audit(1.000:6): saddr=01002F746D702F78206C616464723D3139382E35312E3130302E39206C706F72743D323200`,
			"PID=2 Arch=c000003e Syscall=42 Exit=0 Call=connect"},
		{"no record", ""},
	} {
		events(row.log, func(e *auditbridge.Event, v *auditbridge.Verdict) {
			var o Outline
			o.Read(e, v)
			if got := say(&o); got != row.want {
				t.Errorf("%s\nsays %s\nwant %s", row.log, got, row.want)
			}
		})
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	log, err := os.ReadFile("../testdata/events/oddities.log")
	if err != nil {
		t.Fatal(err)
	}
	connect := "type=SYSCALL msg=audit(1.000:5): arch=c000003e syscall=42\ntype=SOCKADDR msg=audit(1.000:5): saddr=020001BBC00002070000000000000000\n"
	var o Outline
	events(connect+string(log), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		if n := testing.AllocsPerRun(10, func() { o.Read(e, v) }); n != 0 {
			t.Errorf("%v allocations for %s", n, e.Records[0].Line)
		}
	})
}

// FuzzAddress holds IsIPv4 and IsIPv6 to net/netip.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "01.2.3.4", "256.1.1.1", "1.2.3", "1.2.3.4.", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::",
		"1:2:3:4:5:6:7:8:9", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "fe80::1%eth0", ":::", "1::2::3", "12345::", "::1.2.3", ":1::2", "1::2:"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := netip.ParseAddr(string(b))
		if v4 := err == nil && a.Is4(); IsIPv4(b) != v4 {
			t.Errorf("%q is IPv4: %v", b, !v4)
		}
		if v6 := err == nil && a.Is6() && !bytes.ContainsRune(b, '%'); IsIPv6(b) != v6 {
			t.Errorf("%q is IPv6: %v", b, !v6)
		}
	})
}
