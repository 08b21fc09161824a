package auditbridge

import "bytes"

// AppendDecoded appends the value f stands at, as its writer had it: hex of a
// field that may be encoded is decoded, what was escaped when the line was stored
// is not, all else is appended as it stands. The result is arbitrary bytes; only
// the NULs between proctitle's arguments become blanks. It allocates nothing when
// dst has room.
func (f *Fields) AppendDecoded(dst []byte, t RecordType) []byte {
	if !f.Encoded(t) {
		return append(dst, f.Value...)
	}
	if f.Form != Bare || bytes.IndexByte(f.Value, '\\') >= 0 {
		return appendUnescaped(dst, f.Value)
	}
	for i := 0; i < len(f.Value); i += 2 {
		c := byte(unhex(f.Value[i])<<4 | unhex(f.Value[i+1]))
		if c == 0 && t == typeProctitle {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}

// Encoded reports whether the value f stands at has to be decoded to be what its
// writer had.
func (f *Fields) Encoded(t RecordType) bool {
	if f.escaped && bytes.IndexByte(f.Value, '\\') >= 0 {
		return true
	}
	return f.Form == Bare && len(f.Value)%2 == 0 && mayBeEncoded(t, f.Key) && isHex(f.Value)
}

// mayBeEncoded reports whether an unquoted value of key is hex: of the fields
// that kernel and libaudit write through audit_log_untrustedstring and
// audit_encode_nv_string, quoted, or in hex when the text holds a blank, a quote,
// a control byte or one beyond ASCII. An unquoted value in them is therefore hex
// (or a placeholder such as "(null)"). Arguments (a0, a1[3]) are such in EXECVE; in
// SYSCALL they are numbers.
func mayBeEncoded(t RecordType, key []byte) bool {
	if t == typeExecve && len(key) > 1 && key[0] == 'a' && '0' <= key[1] && key[1] <= '9' {
		return !bytes.HasSuffix(key, []byte("_len"))
	}
	switch string(key) {
	case "acct", "cgroup", "cmd", "comm", "cwd", "data", "device", "dir", "exe", "file", "grp",
		"invalid_context", "key", "name", "namespace", "new-chardev", "new-disk", "new-fs", "new-rng",
		"new_group", "ocomm", "old-chardev", "old-disk", "old-fs", "old-rng", "path", "proctitle",
		"profile", "root_dir", "sw", "vm", "watch":
		return true
	case "title", "description", "remedy", "detail": // sentences of our own records; see appendValue
		return 1200 <= t && t <= 1299
	}
	return false
}

const (
	typeExecve    RecordType = 1309
	typeProctitle RecordType = 1327
)

// isHex reports whether b is hex as the kernel and libaudit write it: upper
// case, whole bytes.
func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return len(b) > 0 && len(b)%2 == 0
}

// IsPlaceholder reports whether a value stands for "none": the kernel's
// "(null)" and "(none)", libaudit's "?", and ids that were never set.
func IsPlaceholder(v []byte) bool {
	switch string(v) {
	case "", "?", "(null)", "(none)", "4294967295", "-1":
		return true
	}
	return false
}
