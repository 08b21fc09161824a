package interpret

import (
	"bytes"

	"auditbridge/auditbridge"
)

// maxErrno bounds what is an error and no address (include/linux/err.h).
const maxErrno = 4095

// appendExit appends the error that a system call returned: "EACCES(Permission
// denied)".
func appendExit(dst, v []byte) ([]byte, bool) {
	if len(v) < 2 || v[0] != '-' {
		return dst, false
	}
	return appendErrno(dst, v[1:])
}

// appendErrno appends the name of an error and what it means.
func appendErrno(dst, v []byte) ([]byte, bool) {
	n, ok := number(bytes.TrimPrefix(v, []byte{'-'}), 10)
	if !ok || n > maxErrno {
		return dst, false
	}
	name, text := auditbridge.Errno(int(n))
	dst = append(dst, name...)
	if text != "" {
		dst = append(append(append(dst, '('), text...), ')')
	}
	return dst, name != ""
}
