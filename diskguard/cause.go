package diskguard

import (
	"errors"
	"syscall"
)

// Cause is why the journal's disk takes nothing: each wants another remedy.
type Cause string

const (
	NoSpace  Cause = "no-space"  // ENOSPC
	NoInodes Cause = "no-inodes" // ENOSPC, though there are blocks: no file can be made any more
	Quota    Cause = "quota"     // EDQUOT
	ReadOnly Cause = "read-only" // EROFS
	IOError  Cause = "io-error"  // EIO
	Other    Cause = "other"     // any other error; the log of run has it
)

// CauseOf names what err is about in the room r; "" when there is no error.
func CauseOf(err error, r Room) Cause {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.ENOSPC) && r.NoInodes && r.Available > 0:
		return NoInodes
	case errors.Is(err, syscall.ENOSPC):
		return NoSpace
	case errors.Is(err, syscall.EDQUOT):
		return Quota
	case errors.Is(err, syscall.EROFS):
		return ReadOnly
	case errors.Is(err, syscall.EIO):
		return IOError
	}
	return Other
}
