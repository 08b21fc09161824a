package config

import (
	"reflect"
	"strings"
)

// nearest suggests what an unknown key of table t, at path, may have meant: a
// similar key of the same table, else the same key where it does belong, else "".
func nearest(t reflect.Type, path, name string) string {
	var keys []string
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("toml"))
	}
	if near := closest(name, keys); near != "" {
		return join(path, near)
	}
	same, similar := "", ""
	eachKey(reflect.TypeFor[Settings](), "", func(path string) {
		last := path[strings.LastIndexByte(path, '.')+1:]
		if last == name && same == "" {
			same = path
		}
		if similar == "" && closest(name, []string{last}) != "" {
			similar = path
		}
	})
	if same != "" {
		return same
	}
	return similar
}

// eachKey calls f with the dotted name of every key and table there is.
func eachKey(t reflect.Type, path string, f func(string)) {
	for i := range t.NumField() {
		field := t.Field(i)
		key := field.Tag.Get("toml")
		if key == "" {
			continue // the insides of a value such as Level
		}
		f(join(path, key))
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			eachKey(inner, join(path, key), f)
		}
	}
}

// closest is the word at the smallest edit distance from name, "" when even
// that is more than a third of name away.
func closest(name string, words []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, w := range words {
		if d := distance(name, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is the edit distance in which exchanging two neighbours, the
// commonest slip, counts one (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
