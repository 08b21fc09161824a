package interpret

import "auditbridge/auditbridge"

// appendExit appends the error that a system call returned, its name and what
// it means: "EACCES(Permission denied)".
func appendExit(dst, v []byte) ([]byte, bool) {
	n, ok := number(v, 10)
	if !ok || int64(n) >= 0 || int64(n) < -maxErrno {
		return dst, false
	}
	name, text := auditbridge.Errno(int(-int64(n)))
	dst = append(dst, name...)
	if text != "" {
		dst = append(append(append(dst, '('), text...), ')')
	}
	return dst, name != ""
}

// maxErrno bounds what is an error and no address (include/linux/err.h).
const maxErrno = 4095
