package auditbridge

// AppendWords appends the words without a key that f has yet to come to, with
// blanks between, as "avc: denied { read } for".
func (f Fields) AppendWords(dst []byte) []byte {
	start := len(dst)
	for f.Next() {
		if len(f.Key) > 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if f.Form == Braced {
			dst = append(append(append(dst, "{ "...), f.Value...), " }"...)
			continue
		}
		dst = append(dst, f.Value...)
	}
	return dst
}
