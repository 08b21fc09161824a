package interpret

import (
	"bytes"

	"auditbridge/auditbridge"
)

// appendKeys appends the keys of a rule: several of them stand in hex, with
// AUDIT_KEY_SEPARATOR between.
func appendKeys(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	start := len(dst)
	dst = f.AppendDecoded(dst, r.Type)
	for i := start; i < len(dst); i++ {
		if dst[i] == 0x01 {
			dst[i] = ','
		}
	}
	return dst
}

// appendPath appends a path. An abstract socket's name begins with a NUL in
// its place, which becomes @ as in ss and in /proc/net/unix.
func appendPath(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	start := len(dst)
	dst = f.AppendDecoded(dst, r.Type)
	if len(dst) > start && dst[start] == 0 {
		dst = append(dst[:start], bytes.TrimRight(dst[start:], "\x00")...)
		if len(dst) == start {
			return append(dst, '@')
		}
		dst[start] = '@'
	}
	return dst
}

// appendUnhex appends the bytes that v writes in hex.
func appendUnhex(dst, v []byte) ([]byte, bool) {
	start := len(dst)
	if len(v) == 0 || len(v)%2 != 0 {
		return dst, false
	}
	for i := 0; i < len(v); i += 2 {
		high, low := digit(v[i]), digit(v[i+1])
		if high > 15 || low > 15 {
			return dst[:start], false
		}
		dst = append(dst, byte(high<<4|low))
	}
	return dst, true
}
