package journal

import (
	"testing"

	"auditbridge/journal/ring"
)

// A note of refused records says of which types they are: the most first, not more
// than fit, and together always as many as were refused.
func TestTypesOfWhatWasRefused(t *testing.T) {
	many := ring.Types{}
	for kind := range uint16(20) {
		many[1300+kind] = 1
	}
	for _, row := range []struct {
		name  string
		types ring.Types
		n     uint64
		want  string
	}{
		{"two types", ring.Types{1300: 2, 1320: 5}, 7, "EOE:5,SYSCALL:2"},
		{"none is known, of a process before", nil, 7, "?:7"},
		{"some are of a process before", ring.Types{1300: 2}, 7, "SYSCALL:2,?:5"},
		{"lines that are no records", ring.Types{0: 3, 1112: 1}, 4, "USER_LOGIN:1,?:3"},
		{"a type without a name", ring.Types{1999: 1}, 1, "UNKNOWN[1999]:1"},
		{"very many types", many, 20, "SYSCALL:1,FS_WATCH:1,PATH:1,IPC:1,SOCKETCALL:1,CONFIG_CHANGE:1,SOCKADDR:1,CWD:1,FS_INODE:1,EXECVE:1,UNKNOWN[1310]:1,IPC_SET_PERM:1,?:8"},
	} {
		if got := typeWords(row.types, row.n); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	lines := "type=SYSCALL msg=audit(1.000:1): a\ntype=EOE msg=audit(1.000:1): \nno record\ntype=EOE msg=audit(1.000:2): \n"
	if got := typeWords(typesOf([]byte(lines)), 4); got != "EOE:2,SYSCALL:1,?:1" {
		t.Error(got)
	}
}
