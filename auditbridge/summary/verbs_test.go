package summary

import (
	"os"
	"slices"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

// classesOf are the names that a section of classes.txt has rows for.
func classesOf(t *testing.T, section string, column int) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../classes.txt")
	if err != nil {
		t.Fatal(err)
	}
	in := ""
	for line := range strings.Lines(string(text)) {
		columns := strings.Fields(line)
		switch {
		case len(columns) == 0 || columns[0][0] == '#':
		case columns[0][0] == '[':
			in = columns[0]
		case in == section:
			names = append(names, columns[column])
		}
	}
	if len(names) == 0 {
		t.Fatalf("classes.txt has no rows in %s", section)
	}
	return names
}

func TestEveryTypeHasAVerb(t *testing.T) {
	for _, name := range classesOf(t, "[type]", 1) {
		number, _ := auditbridge.ParseType([]byte(name))
		if e := verbs().types[number]; e == nil || e.plain == nil {
			t.Errorf("verbs.txt has no row for %s", name)
		}
	}
}

func TestEveryOpOfOursHasAVerb(t *testing.T) {
	for _, op := range classesOf(t, "[op]", 0) {
		if e := verbs().ops[op]; op != "*" && (e == nil || e.plain == nil) {
			t.Errorf("verbs.txt has no row for op=%s", op)
		}
	}
}

// People meet these system calls in the rule files that audit-userspace, the
// STIGs and the CIS benchmarks ship.
func TestCommonSystemCallsHaveAVerb(t *testing.T) {
	for name := range strings.FieldsSeq(`
		accept accept4 access acct add_key adjtimex bind bpf chdir chmod chown chroot clock_adjtime clock_settime clone
		clone3 connect creat delete_module execve execveat exit exit_group faccessat faccessat2 fchdir fchmod fchmodat fchmodat2
		fchown fchownat finit_module fork fremovexattr fsetxattr fsmount ftruncate futimesat init_module ioctl io_uring_enter
		io_uring_setup ioperm iopl kexec_file_load kexec_load keyctl kill lchown lgetxattr link linkat listen lremovexattr
		lsetxattr memfd_create mkdir mkdirat mknod mknodat mmap mount move_mount mprotect name_to_handle_at open
		open_by_handle_at openat openat2 perf_event_open personality pidfd_send_signal pivot_root prctl process_vm_readv
		process_vm_writev ptrace read readlink readlinkat reboot recvfrom recvmsg removexattr rename renameat renameat2
		request_key rmdir sched_setscheduler seccomp sendmsg sendto setdomainname setfsgid setfsuid setgid setgroups
		sethostname setns setregid setresgid setresuid setreuid settimeofday setuid setxattr socket stat stime swapoff swapon
		symlink symlinkat syslog tgkill tkill truncate umask umount umount2 unlink unlinkat unshare userfaultfd utime
		utimensat utimes vfork write`) {
		if verbs().syscalls[name] == nil {
			t.Errorf("verbs.txt has no row for %s", name)
		}
	}
}

// rows are all rows of verbs.txt.
func rows() (all []*row) {
	collect := func(e *entry) {
		for _, v := range e.variants {
			all = append(all, v.row)
		}
		if e.plain != nil {
			all = append(all, e.plain)
		}
	}
	for _, e := range verbs().types {
		collect(e)
	}
	for _, e := range verbs().syscalls {
		collect(e)
	}
	for _, e := range verbs().ops {
		collect(e)
	}
	for _, r := range verbs().other {
		all = append(all, r)
	}
	return all
}

// A choice of fields outside an optional part names what stands there when none
// says anything; every field is one that the code knows to show.
func TestObjectsAreWhole(t *testing.T) {
	var check func(name string, p phrase, optional bool)
	check = func(name string, p phrase, optional bool) {
		for _, piece := range p {
			if piece.fields != nil && piece.words == "" && !optional && !always(piece.fields) {
				t.Errorf("%s: %v has no words for when none says anything", name, piece.fields)
			}
			for _, f := range piece.fields {
				if f.how == asUnknown {
					t.Errorf("%s: field %q is unknown", name, f.key)
				}
			}
			check(name, piece.optional, true)
		}
	}
	for _, r := range rows() {
		check(r.name, r.object, false)
		if strings.ContainsAny(r.done+r.failed, `[]{}:."'`) {
			t.Errorf("%s: a verb holds more than words", r.name)
		}
	}
}

// always reports whether a field is in every record: its type, or one that the
// row is chosen by.
func always(fields []field) bool {
	return slices.ContainsFunc(fields, func(f field) bool {
		return f.how == asType || f.how == asCall || strings.HasPrefix(f.key, "audit_") || f.key == "lost"
	})
}

func TestMistakesInTheTableAreFound(t *testing.T) {
	for _, row := range []string{
		"SYSCALL | made | could not make", "| a | b | c", "SYSCALL | | b | c", "NOTYPE | a | b | c",
		"LOGIN | a | b | {x", "LOGIN | a | b | [x", "LOGIN, LOGIN | a | b | c", "LOGIN x=1, LOGIN x=1 | a | b | c",
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", row)
				}
			}()
			mustReadVerbs("[type]\n" + row)
		}()
	}
}
