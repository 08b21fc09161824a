package interpret

// appendMode appends the type of a file, what it does besides, and its
// permissions in octal, "file,suid,755"; only these when no type is told.
func appendMode(dst []byte, v uint64) []byte {
	name := words().tables["file-type"].lookup(v & 0o170000)
	if name == "" {
		return appendPermissions(dst, v)
	}
	return appendOctal(appendSpecial(append(append(dst, name...), ','), v), v)
}

// appendPermissions appends what a file does besides, and its permissions in
// octal as C has it: "suid,0755".
func appendPermissions(dst []byte, v uint64) []byte {
	return appendOctal(append(appendSpecial(dst, v), '0'), v)
}

func appendSpecial(dst []byte, v uint64) []byte {
	for _, bit := range [...]struct {
		value uint64
		name  string
	}{{0o4000, "suid,"}, {0o2000, "sgid,"}, {0o1000, "sticky,"}} {
		if v&bit.value != 0 {
			dst = append(dst, bit.name...)
		}
	}
	return dst
}

func appendOctal(dst []byte, v uint64) []byte {
	return append(dst, '0'+byte(v>>6&7), '0'+byte(v>>3&7), '0'+byte(v&7))
}
