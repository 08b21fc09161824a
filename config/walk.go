package config

import (
	"auditbridge/internal/nearest"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// leaf is one key of one table: where it is and the field that holds it.
type leaf struct {
	path  string
	field reflect.Value
	tag   reflect.StructTag
}

// leaves lists every key of s, each server's and forwarding's included, in the
// order of the table of settings.
func leaves(s *Settings) []leaf {
	return appendLeaves(nil, reflect.ValueOf(s).Elem(), "")
}

func appendLeaves(to []leaf, table reflect.Value, path string) []leaf {
	for i := range table.NumField() {
		tag := table.Type().Field(i).Tag
		key, field := join(path, tag.Get("toml")), table.Field(i)
		switch {
		case isTables(field):
			for n := range field.Len() {
				to = appendLeaves(to, field.Index(n), key+"["+strconv.Itoa(n)+"]")
			}
		case field.Kind() == reflect.Struct && !isText(field):
			to = appendLeaves(to, field, key)
		default:
			to = append(to, leaf{key, field, tag})
		}
	}
	return to
}

// defaults gives every key that no file sets its default, and refuses values
// that are not among those a key may have.
func (d *decoder) defaults() {
	for _, l := range leaves(d.settings) {
		from, written := d.origins[l.path]
		if written && !from.bad {
			if p := l.choice(); p != nil {
				p.At, p.Key = from.at, bare(l.path)
				d.problems = append(d.problems, *p)
				from.bad = true
				d.origins[l.path] = from
			}
		}
		if !written || from.bad {
			l.reset()
		}
		if !written {
			d.origins[l.path] = origin{why: "default"}
		}
	}
}

// choice checks a value against the key's list.
func (l *leaf) choice() *Problem {
	list := strings.Fields(l.tag.Get("oneof"))
	if len(list) == 0 || l.field.Kind() != reflect.String {
		return nil
	}
	value := l.field.String()
	later := strings.Fields(l.tag.Get("later"))
	kind, _, _ := strings.Cut(value, ":") // exec:/path
	switch {
	case slices.Contains(list, value):
		return nil
	case slices.Contains(later, value) || slices.Contains(later, kind):
		return &Problem{What: notYet(value), Hint: "this version has: " + strings.Join(list, " ")}
	}
	p := &Problem{What: fmt.Sprintf("%q is none of: %s", value, strings.Join(list, " "))}
	if near := nearest.Word(value, list); near != "" {
		p.Hint = fmt.Sprintf("nearest value: %q", near)
	}
	return p
}

func notYet(value string) string { return fmt.Sprintf("%q is not in this version yet", value) }

// reset gives the key its default, or nothing where it has none.
func (l *leaf) reset() {
	l.field.SetZero()
	text := l.tag.Get("default")
	if text == "" {
		return
	}
	switch to := l.field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		if err := to.UnmarshalText([]byte(text)); err != nil {
			panic("internal error: default of " + l.path + ": " + err.Error())
		}
	case *string:
		*to = text
	case *bool:
		*to = text == "true"
	case *Port:
		n, _ := strconv.ParseUint(text, 10, 16)
		*to = Port(n)
	case *Count:
		n, _ := strconv.ParseUint(text, 10, 32)
		*to = Count(n)
	case *[]string:
		*to = strings.Fields(text)
	case *Users:
		*to = strings.Fields(text)
	}
}

func list(words []string) string {
	quoted := make([]string, len(words))
	for i := range words {
		quoted[i] = strconv.Quote(words[i])
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// text is the value as it would be written in TOML.
func (l *leaf) text() string {
	switch v := l.field.Interface().(type) {
	case string:
		return strconv.Quote(v)
	case []string:
		return list(v)
	case Users:
		return list(v)
	case Port, Count:
		return fmt.Sprint(v)
	case fmt.Stringer:
		return strconv.Quote(v.String())
	default:
		return fmt.Sprint(v)
	}
}
