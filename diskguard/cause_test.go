package diskguard

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestCausesAreToldApart(t *testing.T) {
	room := Room{Disk: 100, Available: 10}
	for _, row := range []struct {
		err  error
		room Room
		want Cause
	}{
		{nil, room, ""},
		{syscall.ENOSPC, room, NoSpace},
		{syscall.ENOSPC, Room{Disk: 100, Available: 10, NoInodes: true}, NoInodes},
		{syscall.ENOSPC, Room{Disk: 100, NoInodes: true}, NoSpace},
		{syscall.EDQUOT, room, Quota},
		{syscall.EROFS, room, ReadOnly},
		{syscall.EIO, room, IOError},
		{syscall.EBADF, room, Other},
		{errors.New("?"), room, Other},
	} {
		err := row.err
		if err != nil {
			err = fmt.Errorf("extend the segment: %w", err)
		}
		if got := CauseOf(err, row.room); got != row.want {
			t.Errorf("%v with %+v: %q, want %q", row.err, row.room, got, row.want)
		}
	}
}
