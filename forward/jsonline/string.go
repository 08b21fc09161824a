package jsonline

// AppendString appends s as a JSON string, in the way of this package's events.
func AppendString(dst, s []byte) []byte { return appendString(dst, s) }
