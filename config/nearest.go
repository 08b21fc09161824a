package config

import (
	"reflect"
	"strings"

	"auditbridge/internal/nearest"
)

// nearestKey suggests what an unknown key of table t, at path, may have meant: a
// similar key of the same table, else the same key where it does belong, else "".
func nearestKey(t reflect.Type, path, name string) string {
	var keys []string
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("toml"))
	}
	if near := nearest.Word(name, keys); near != "" {
		return join(path, near)
	}
	same, similar := "", ""
	eachKey(reflect.TypeFor[Settings](), "", func(path string) {
		last := path[strings.LastIndexByte(path, '.')+1:]
		if last == name && same == "" {
			same = path
		}
		if similar == "" && nearest.Word(name, []string{last}) != "" {
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
