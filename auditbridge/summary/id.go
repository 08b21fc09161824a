package summary

import (
	"bytes"
	"strconv"

	"auditbridge/auditbridge"
)

// appendUser appends the user, or the group, whose id f stands at: by name, else
// lead and the id. Id 0 is root everywhere; one that says "none", such as -1 in
// an argument, is left out.
func (s *sentence) appendUser(dst []byte, lead string, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	id, isNumber := readID(r, f)
	if isNumber && id == auditbridge.Unset {
		return dst
	}
	start := len(dst)
	dst, ok := s.in.AppendValue(dst, s.event, r, f)
	if named := bytes.Trim(dst[start:], "0123456789"); ok && len(named) > 0 {
		return quoteFrom(dst, start)
	}
	switch dst = dst[:start]; {
	case !isNumber:
		return appendWord(dst, bytes.TrimRight(f.Value, ":,"))
	case id == 0:
		return append(dst, "root"...)
	}
	return strconv.AppendUint(append(dst, lead...), id, 10)
}

// readID reads an id: hex in an argument of a system call, else decimal.
func readID(r *auditbridge.Record, f *auditbridge.Fields) (uint64, bool) {
	if isArgument(r, f.Key) {
		id, ok := readNumber(f.Value, 16)
		return id & (1<<32 - 1), ok
	}
	return readNumber(bytes.TrimRight(f.Value, ":,"), 10)
}

// isArgument knows a0 to a3 of a system call.
func isArgument(r *auditbridge.Record, key []byte) bool {
	return r.Type == typeSyscall && len(key) == 2 && key[0] == 'a' && '0' <= key[1] && key[1] <= '9'
}

// readNumber reads digits of a base up to 16.
func readNumber(v []byte, base uint64) (n uint64, ok bool) {
	if len(v) == 0 || len(v) > 16 {
		return 0, false
	}
	for _, c := range v {
		d := uint64(16)
		switch {
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case 'a' <= c && c <= 'f':
			d = uint64(c-'a') + 10
		}
		if d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}
