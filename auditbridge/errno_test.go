package auditbridge

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrno(t *testing.T) {
	for _, row := range []struct {
		n          int
		name, text string
	}{
		{1, "EPERM", "Operation not permitted"},
		{13, "EACCES", "Permission denied"},
		{133, "EHWPOISON", "Memory page has hardware error"},
		{512, "ERESTARTSYS", ""},
		{531, "ENOGRACE", ""},
		{0, "", ""},
		{41, "", ""},
		{134, "", ""},
		{532, "", ""},
		{-13, "", ""},
	} {
		if name, text := Errno(row.n); name != row.name || text != row.text {
			t.Errorf("%d is %q, %q", row.n, name, text)
		}
	}
}

// No error is missing, and each has the name that this host's headers have, or
// another one of the same number.
func TestErrnosAreThoseOfTheHost(t *testing.T) {
	others := map[string]string{"ENOTSUP": "EOPNOTSUPP", "EFSCORRUPTED": "EUCLEAN", "EFTYPE": ""}
	for n := range 140 {
		want := unix.ErrnoName(unix.Errno(n))
		if other, ok := others[want]; ok {
			want = other
		}
		if name, _ := Errno(n); name != want {
			t.Errorf("%d is %s, here %s", n, name, want)
		}
	}
}
