package interpret

import (
	"fmt"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

// names are the accounts of the tests.
type names struct{}

func (names) AppendUser(dst []byte, node string, id uint32) ([]byte, bool) {
	return appendName(dst, node, id, map[uint32]string{0: "root", 1000: "operator"})
}

func (names) AppendGroup(dst []byte, node string, id uint32) ([]byte, bool) {
	return appendName(dst, node, id, map[uint32]string{0: "wheel", 1000: "operators"})
}

func appendName(dst []byte, node string, id uint32, names map[uint32]string) ([]byte, bool) {
	name := names[id]
	if node == "elsewhere" {
		name = ""
	}
	return append(dst, name...), name != ""
}

// meanings writes all that means something in an event of the given lines, as
// key=meaning.
func meanings(t testing.TB, in *Interpreter, lines ...string) string {
	var out []string
	each(t, lines, func(e *auditbridge.Event, r *auditbridge.Record) {
		for _, f := range []auditbridge.Fields{r.Stamped(), r.Claims()} {
			for f.Next() {
				if v, ok := in.AppendValue(nil, e, r, &f); ok {
					out = append(out, fmt.Sprintf("%s=%s", f.Key, v))
				} else if len(v) > 0 {
					t.Errorf("%s=%s: false, but %q was appended", f.Key, f.Value, v)
				}
			}
		}
	})
	return strings.Join(out, " ")
}

// each calls f for every record of the events in lines.
func each(t testing.TB, lines []string, f func(*auditbridge.Event, *auditbridge.Record)) {
	t.Helper()
	emit := func(e *auditbridge.Event) {
		for i := range e.Records {
			f(e, &e.Records[i])
		}
	}
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	for i, line := range lines {
		r.Push(auditbridge.Sequence(i+1), []byte(line), emit)
	}
	r.Flush(emit)
}

// record completes "TYPE fields" to a line.
func record(body string) string {
	kind, fields, _ := strings.Cut(body, " ")
	return "type=" + kind + " msg=audit(1700000000.001:7): " + fields
}

func TestMeanings(t *testing.T) {
	in := &Interpreter{Names: names{}}
	for _, row := range []struct{ record, want string }{
		// system calls and their arguments
		{"SYSCALL arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7ffe00 a2=80042 a3=1a4", "arch=x86_64 syscall=openat a0=AT_FDCWD a2=O_RDWR|O_CREAT|O_CLOEXEC a3=0644"},
		{"SYSCALL arch=c000003e syscall=257 success=yes exit=3 a0=5 a1=7ffe00 a2=80000 a3=1a4", "arch=x86_64 syscall=openat a2=O_RDONLY|O_CLOEXEC"},
		{"SYSCALL arch=c00000b7 syscall=56 exit=3 a0=ffffff9c a1=0 a2=84000 a3=0", "arch=aarch64 syscall=openat a0=AT_FDCWD a2=O_RDONLY|O_DIRECTORY|O_CLOEXEC"},
		{"SYSCALL arch=40000003 syscall=5 success=no exit=-13 a0=bf00 a1=8000 a2=1b6 a3=8", "arch=i386 syscall=open exit=EACCES(Permission denied) a1=O_RDONLY|O_LARGEFILE"},
		{"SYSCALL arch=40000003 syscall=102 exit=3 a0=1 a1=bf00 a2=0 a3=0", "arch=i386 syscall=socketcall(socket) a0=socket"},
		{"SYSCALL arch=x86_64 syscall=kill exit=0 a0=4d2 a1=9 a2=0 a3=0", "a0=1234 a1=SIGKILL"},
		{"SYSCALL arch=c000003e syscall=40000208 exit=0 a0=4d2", "arch=x86_64"},
		{"SYSCALL arch=c000003e syscall=1073742344 exit=0 a0=1", "arch=x86_64 syscall=execve"},
		{"SYSCALL arch=c000003e syscall=9999 exit=0 a0=a", "arch=x86_64"},
		{"SYSCALL arch=c000003e syscall=4294967355 exit=0 a0=a", "arch=x86_64"},
		{"SYSCALL arch=c000003e syscall=-1 exit=0 a0=a", "arch=x86_64"},
		{"SYSCALL arch=deadbeef syscall=2 exit=0 a0=a a1=2", ""},
		{"SYSCALL arch=c000003e syscall=56 exit=0 a0=1200011 a1=0", "arch=x86_64 syscall=clone a0=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"},
		{"SYSCALL arch=c000003e syscall=9 exit=140000 a0=0 a1=1000 a2=5 a3=22", "arch=x86_64 syscall=mmap a2=PROT_READ|PROT_EXEC a3=MAP_PRIVATE|MAP_ANONYMOUS"},
		{"SYSCALL arch=c000003e syscall=41 exit=3 a0=a a1=80801 a2=6 a3=0", "arch=x86_64 syscall=socket a0=inet6 a1=SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK a2=tcp"},
		{"SYSCALL arch=c000003e syscall=41 exit=3 a0=10 a1=3 a2=9 a3=0", "arch=x86_64 syscall=socket a0=netlink a1=SOCK_RAW a2=NETLINK_AUDIT"},
		{"SYSCALL arch=c000003e syscall=54 exit=0 a0=3 a1=6 a2=1 a3=7ffe", "arch=x86_64 syscall=setsockopt a1=SOL_TCP a2=TCP_NODELAY"},
		{"SYSCALL arch=c000003e syscall=157 exit=0 a0=26 a1=1 a2=0 a3=0", "arch=x86_64 syscall=prctl a0=PR_SET_NO_NEW_PRIVS"},
		{"SYSCALL arch=c000003e syscall=157 exit=0 a0=18 a1=15 a2=0 a3=0", "arch=x86_64 syscall=prctl a0=PR_CAPBSET_DROP a1=sys_admin"},
		{"SYSCALL arch=c000003e syscall=92 exit=0 a0=7ffe a1=3e8 a2=ffffffff", "arch=x86_64 syscall=chown a1=operator a2=unset"},
		{"SYSCALL arch=c000003e syscall=72 exit=0 a0=3 a1=4 a2=800", "arch=x86_64 syscall=fcntl a1=F_SETFL a2=O_RDONLY|O_NONBLOCK"},
		{"SYSCALL arch=c000003e syscall=268 exit=0 a0=ffffffffffffff9c a1=7f a2=9ed", "arch=x86_64 syscall=fchmodat a0=AT_FDCWD a2=suid,0755"},
		{"SYSCALL arch=40000003 syscall=182 exit=0 a0=bf00 a1=ffff a2=3e8", "arch=i386 syscall=chown a1=unset a2=operators"},
		{"SYSCALL arch=40000003 syscall=90 exit=0 a0=bf00 a1=5 a2=5 a3=22", "arch=i386 syscall=mmap"},
		{"SYSCALL arch=80000016 syscall=120 exit=0 a0=0 a1=1200011", "arch=s390x syscall=clone a1=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"},
		{"SYSCALL arch=c0000015 syscall=54 exit=0 a0=1 a1=402c7413", "arch=ppc64le syscall=ioctl a1=TCGETS"},
		{"SYSCALL arch=c0000015 syscall=54 exit=0 a0=1 a1=5401", "arch=ppc64le syscall=ioctl"},
		{"SYSCALL arch=c000003e syscall=29 exit=0 a0=0 a1=1000 a2=3b6", "arch=x86_64 syscall=shmget a2=IPC_CREAT|0666"},
		{"SYSCALL arch=c000003e syscall=8 exit=0 a0=3 a1=fffffffffffffff6 a2=1", "arch=x86_64 syscall=lseek a1=-10 a2=SEEK_CUR"},
		{"SECCOMP auid=4294967295 ses=4294967295 sig=31 arch=c000003e syscall=59 compat=0 ip=0x7f code=0x80000000", "auid=unset ses=unset sig=SIGSYS arch=x86_64 syscall=execve compat=no code=kill-process"},
		{"URINGOP uring_op=18 success=no exit=-2 uid=0", "uring_op=openat exit=ENOENT(No such file or directory) uid=root"},
		{"OPENAT2 oflag=0102000 mode=0600 resolve=0x48", "oflag=O_RDONLY|O_APPEND|O_LARGEFILE resolve=RESOLVE_BENEATH|0x40"},

		// errors
		{"SYSCALL exit=-512", "exit=ERESTARTSYS"},
		{"SYSCALL exit=-4095", ""},
		{"SYSCALL exit=-140000000000000", ""},
		{"SYSCALL exit=3", ""},

		// addresses
		{"SOCKADDR saddr=02000016C00002010000000000000000", "saddr={ saddr_fam=inet laddr=192.0.2.1 lport=22 }"},
		{"SOCKADDR saddr=00020016C00002010000000000000000", "saddr={ saddr_fam=inet laddr=192.0.2.1 lport=22 }"},
		{"SOCKADDR saddr=0A000016000000000000000000000000000000000000000100000000", "saddr={ saddr_fam=inet6 laddr=::1 lport=22 }"},
		{"SOCKADDR saddr=01002F746D702F7300AA", "saddr={ saddr_fam=local path=/tmp/s }"},
		{"SOCKADDR saddr=0100002F746D702F73", "saddr={ saddr_fam=local path=@/tmp/s }"},
		{"SOCKADDR saddr=0100", "saddr={ saddr_fam=local path= }"},
		{"SOCKADDR saddr=100000000100000002000000", "saddr={ saddr_fam=netlink nlnk-fam=16 nlnk-pid=1 }"},
		{"SOCKADDR saddr=001000000000000100000002", "saddr={ saddr_fam=netlink nlnk-fam=16 nlnk-pid=1 }"},
		{"SOCKADDR saddr=28000000D2040000030000000000000000", "saddr={ saddr_fam=vsock cid=3 port=1234 }"},
		{"SOCKADDR saddr=1100080602000000010006000102030405060000", "saddr={ saddr_fam=packet ifindex=2 }"},
		{"SOCKADDR saddr=0200", ""},
		{"SOCKADDR saddr=0000000000000000", ""},
		{"SOCKADDR saddr=020", ""},
		{"NETFILTER_PKT action=0 hook=1 len=60 saddr=192.0.2.1 proto=6", "action=ACCEPT hook=INPUT proto=tcp"},

		// who
		{"LOGIN pid=1 uid=0 old-auid=4294967295 auid=1000 tty=(none) old-ses=4294967295 ses=1 res=1", "uid=root old-auid=unset auid=operator old-ses=unset res=yes"},
		{"OBJ_PID opid=3 oauid=-1 ouid=0 oses=-1 ocomm=61206220", "oauid=unset ouid=root oses=unset ocomm=a b "},
		{"SYSCALL uid=7 gid=1000", "gid=operators"},
		{"SYSCALL uid=7 gid=1000 auid=0\x1dUID=\"lp\" GID=\"staff\" AUID=\"unknown(0)\"", "uid=lp gid=staff auid=root"},
		{"USER_LOGIN pid=1 uid=0 auid=1000 ses=1 msg='op=login id=1000 exe=\"/x\" res=success'", "uid=root auid=operator id=operator"},
		{"ADD_GROUP pid=1 msg='op=add-group id=1000 res=success'", "id=operators"},
		{"USER_AVC uid=7 auid=1000 msg='uid=0 gid=1000' \x1dUID=\"lp\" GID=\"staff\"", "uid=lp auid=operator uid=root gid=staff"},
		{"SYSCALL uid=7\x1dUID=6A6F65", "uid=joe"},
		{"USER_LOGIN acct=726F6F74", "acct=root"},

		// files and text
		{"PATH item=0 name=2F746D702F6120 mode=0104755 ouid=0 ogid=0 cap_fp=0000000000003000 cap_fi=0 cap_fe=1", "name=/tmp/a  mode=file,suid,755 ouid=root ogid=wheel cap_fp=net_admin,net_raw cap_fi=none"},
		{"PATH mode=040755 name=(null) cap_fp=8000000000000001", "mode=dir,755 cap_fp=chown,0x8000000000000000"},
		{"IPC ouid=0 ogid=0 mode=0666", "ouid=root ogid=wheel"},
		{"PROCTITLE proctitle=6C73002D6C", "proctitle=ls -l"},
		{"EXECVE argc=2 a0=\"ls\" a1=2D6C20", "a1=-l "},
		{"SYSCALL key=610162", "key=a,b"},
		{"SYSCALL comm=\"6120\"", ""},

		// the rest
		{"CONFIG_CHANGE auid=0 op=add_rule key=\"k\" list=4 res=1", "auid=root list=exit res=yes"},
		{"AVC ioctlcmd=0x5401 capability=21", "ioctlcmd=TCGETS capability=sys_admin"},
		{"AVC ioctlcmd=0x6601", "ioctlcmd=FS_IOC_GETFLAGS"},
		{"AVC ioctlcmd=1272", "ioctlcmd=BLKGETSIZE64"},
		{"AVC ioctlcmd=0x7777", ""},
		{"NETFILTER_CFG table=filter family=10 entries=4", "family=ipv6"},
		{"FANOTIFY resp=2", "resp=deny"},
		{"FANOTIFY resp=1 fan_type=1 fan_info=0 subj_trust=2 obj_trust=1", "resp=allow subj_trust=unknown obj_trust=yes"},
		{"INTEGRITY_DATA op=appraise_data res=0 errno=-13", "res=no errno=EACCES(Permission denied)"},
		{"CONFIG_CHANGE audit_failure=1 old=2 res=1", "audit_failure=printk res=yes"},
		{"AVC path=002F746D702F73", "path=@/tmp/s"},
		{"AVC path=00", "path=@"},
		{"ANOM_PROMISCUOUS dev=eth0 prom=256 old_prom=0", "prom=yes old_prom=no"},
		{"MMAP fd=3 flags=0x22", "flags=MAP_PRIVATE|MAP_ANONYMOUS"},
		{"NOVELTY uid=0 a0=5 exit=-1 mode=0", "uid=root"},
	} {
		if got := meanings(t, in, record(row.record)); got != row.want {
			t.Errorf("%s\n got %s\nwant %s", row.record, got, row.want)
		}
	}
}

// What a record of an event means may depend on its system call.
func TestMeaningsOfAnEvent(t *testing.T) {
	for _, row := range []struct {
		call, detail string
		want         string
	}{
		{"SYSCALL arch=c000003e syscall=9", "MMAP fd=3 flags=0x40", "flags=MAP_32BIT"},
		{"SYSCALL arch=c0000015 syscall=90", "MMAP fd=3 flags=0x40", "flags=MAP_NORESERVE"},
		{"SYSCALL arch=c00000b7 syscall=437", "OPENAT2 oflag=040000 mode=0 resolve=0x0", "oflag=O_RDONLY|O_DIRECTORY mode=0000"},
		{"SYSCALL arch=40000003 syscall=102 a0=e", "SOCKETCALL nargs=5 a0=3 a1=1 a2=2 a3=bf a4=4", "a1=SOL_SOCKET a2=SO_REUSEADDR"},
		{"SYSCALL arch=40000003 syscall=102 a0=63", "SOCKETCALL nargs=2 a0=3 a1=1", ""},
		{"SYSCALL arch=c0000015 syscall=54", "AVC ioctlcmd=0x7413", "ioctlcmd=TCGETS"},
		{"SYSCALL arch=c0000015 syscall=54", "AVC ioctlcmd=0x6601", ""}, // FIOCLEX or FS_IOC_GETFLAGS
		{"SYSCALL arch=40000003 syscall=54", "AVC ioctlcmd=0x1272", "ioctlcmd=BLKGETSIZE64"},
		{"LOGIN pid=1", "SOCKETCALL nargs=2 a0=3 a1=1", ""},
	} {
		in := &Interpreter{}
		got := strings.TrimPrefix(meanings(t, in, record(row.call), record(row.detail)), meanings(t, in, record(row.call)))
		if got = strings.TrimSpace(got); got != row.want {
			t.Errorf("%s, %s\n got %s\nwant %s", row.call, row.detail, got, row.want)
		}
	}
}
