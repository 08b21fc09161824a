package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// origin is where a key's value comes from: a place in a file, or in words.
type origin struct {
	at  Position
	why string // "default", "from syslog.format" …
	bad bool   // what was written was refused: no second complaint about it
}

// decoder fills Settings from one file after another. A key's path is its
// dotted name, with an index behind each array of tables:
// remote-logging-server[0].filter[1].severity.
type decoder struct {
	settings *Settings
	origins  map[string]origin
	problems Problems

	name   string
	data   []byte
	parser unstable.Parser
	opened map[string]bool // arrays of tables this file has added to
}

// place is a table, or nothing while a problem's keys are passed over.
type place struct {
	table reflect.Value
	path  string
}

// file decodes one file. A file with a syntax error is left out as a whole: what
// its other keys mean is not certain.
func (d *decoder) file(s source) {
	d.name, d.data, d.opened = s.name, s.data, map[string]bool{}
	var any map[string]any
	if err := toml.Unmarshal(s.data, &any); err != nil {
		d.syntax(err)
		return
	}
	root := place{table: reflect.ValueOf(d.settings).Elem()}
	here := root
	d.parser.Reset(s.data)
	for d.parser.NextExpression() {
		e := d.parser.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			here = d.table(root, e)
		case unstable.KeyValue:
			d.keyValue(here, e)
		}
	}
	if err := d.parser.Error(); err != nil {
		d.syntax(err)
	}
}

func (d *decoder) syntax(err error) {
	p := Problem{At: Position{File: d.name}, What: "not TOML: " + err.Error()}
	var where *toml.DecodeError
	if errors.As(err, &where) {
		p.At.Line, p.At.Column = where.Position()
		p.What = "not TOML: " + strings.TrimPrefix(where.Error(), "toml: ")
	}
	d.problems = append(d.problems, p)
}

// table goes from the root to the table that [a.b] or [[a.b]] names.
func (d *decoder) table(root place, e *unstable.Node) place {
	here := root
	for keys := e.Key(); keys.Next(); {
		last := keys.IsLast()
		key := keys.Node()
		field, path, ok := d.field(here, key)
		if !ok {
			return place{}
		}
		switch {
		case isTables(field):
			if last && e.Kind == unstable.Table {
				d.problem(key, path, "is an array of tables", "write [["+path+"]]")
				return place{}
			}
			here = d.element(field, path, last, key)
		case field.Kind() == reflect.Struct && !isText(field):
			if last && e.Kind == unstable.ArrayTable {
				d.problem(key, path, "is one table, not an array of tables", "write ["+path+"]")
				return place{}
			}
			here = place{field, path}
		default:
			d.problem(key, path, "is a value, not a table", "write "+string(key.Data)+" = … in the table above it")
			return place{}
		}
		if !here.table.IsValid() {
			return here
		}
	}
	return here
}

// element is a new table of the array, or this file's last one.
func (d *decoder) element(array reflect.Value, path string, add bool, key *unstable.Node) place {
	if add {
		array.Set(reflect.Append(array, reflect.Zero(array.Type().Elem())))
		d.opened[path] = true
	} else if !d.opened[path] {
		d.problem(key, path, "there is no table of this array above it in this file", "write [["+path+"]] first")
		return place{}
	}
	i := array.Len() - 1
	p := place{array.Index(i), path + "[" + strconv.Itoa(i) + "]"}
	if add {
		d.origins[p.path] = origin{at: d.at(key)}
	}
	return p
}

// keyValue sets what `a.b = value` means in here.
func (d *decoder) keyValue(here place, e *unstable.Node) {
	if !here.table.IsValid() {
		return
	}
	for keys := e.Key(); keys.Next(); {
		key := keys.Node()
		field, path, ok := d.field(here, key)
		if !ok {
			return
		}
		if keys.IsLast() {
			d.value(field, path, key, e.Value())
			return
		}
		if field.Kind() != reflect.Struct || isText(field) {
			d.problem(key, path, "has no keys of its own", "")
			return
		}
		here = place{field, path}
	}
}

func (d *decoder) value(field reflect.Value, path string, key, value *unstable.Node) {
	switch {
	case isTables(field):
		d.tables(field, path, key, value)
	case field.Kind() == reflect.Struct && !isText(field):
		if value.Kind != unstable.InlineTable {
			d.problem(key, path, "is a table, not a value", "write ["+path+"] on a line of its own")
			return
		}
		d.inline(place{field, path}, value)
	default:
		if before, twice := d.origins[path]; twice {
			d.problem(key, path, "is already set at "+before.at.String(), "keep one of the two")
			return
		}
		err := set(field, value)
		d.origins[path] = origin{at: d.at(key), bad: err != nil}
		if err != nil {
			d.problem(key, path, err.Error(), "")
		}
	}
}

// tables decodes an array written as [{…}, {…}].
func (d *decoder) tables(array reflect.Value, path string, key, value *unstable.Node) {
	if value.Kind != unstable.Array {
		d.problem(key, path, "is an array of tables", "write [["+path+"]]")
		return
	}
	for items := value.Children(); items.Next(); {
		if items.Node().Kind != unstable.InlineTable {
			d.problem(key, path, "is an array of tables", "write [["+path+"]]")
			return
		}
		d.inline(d.element(array, path, true, key), items.Node())
	}
}

func (d *decoder) inline(here place, table *unstable.Node) {
	for pairs := table.Children(); pairs.Next(); {
		d.keyValue(here, pairs.Node())
	}
}

// field finds the field of the table that has the key's name.
func (d *decoder) field(here place, key *unstable.Node) (reflect.Value, string, bool) {
	name := string(key.Data)
	t := here.table.Type()
	for i := range t.NumField() {
		if name != "" && t.Field(i).Tag.Get("toml") == name {
			return here.table.Field(i), join(here.path, name), true
		}
	}
	hint := ""
	switch near := nearestKey(t, bare(here.path), name); near {
	case "":
	case name: // the same word
		hint = name + " belongs to no table: write it above the first [table]"
	default:
		hint = "nearest key: " + near
	}
	d.problem(key, join(here.path, name), "unknown key", hint)
	return reflect.Value{}, "", false
}

func (d *decoder) problem(key *unstable.Node, path, what, hint string) {
	d.problems = append(d.problems, Problem{At: d.at(key), Key: bare(path), What: what, Hint: hint})
}

// at is the position of a node; columns count bytes, as compilers do.
func (d *decoder) at(n *unstable.Node) Position {
	before := d.data[:n.Raw.Offset]
	return Position{
		File:   d.name,
		Line:   bytes.Count(before, []byte{'\n'}) + 1,
		Column: len(before) - bytes.LastIndexByte(before, '\n'),
	}
}

// set decodes a value into a field of the table of settings.
func set(field reflect.Value, value *unstable.Node) error {
	text := string(value.Data)
	switch to := field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		if value.Kind != unstable.String {
			return wants(field, value)
		}
		return to.UnmarshalText([]byte(text))
	case *string:
		if value.Kind != unstable.String {
			return wants(field, value)
		}
		*to = text
	case *bool:
		if value.Kind != unstable.Bool {
			return wants(field, value)
		}
		*to = text == "true"
	case *Port:
		n, err := strconv.ParseUint(text, 10, 16)
		if value.Kind != unstable.Integer || err != nil || n == 0 {
			return wants(field, value)
		}
		*to = Port(n)
	case *Count:
		n, err := strconv.ParseUint(text, 10, 32)
		if value.Kind != unstable.Integer || err != nil || n == 0 {
			return wants(field, value)
		}
		*to = Count(n)
	case *Users:
		list := Users{}
		for items := value.Children(); value.Kind == unstable.Array && items.Next(); {
			if kind := items.Node().Kind; kind != unstable.String && kind != unstable.Integer {
				return wants(field, items.Node())
			}
			list = append(list, string(items.Node().Data))
		}
		if value.Kind != unstable.Array {
			return wants(field, value)
		}
		*to = list
	case *[]string:
		if value.Kind != unstable.Array {
			return wants(field, value)
		}
		list := []string{}
		for items := value.Children(); items.Next(); {
			if items.Node().Kind != unstable.String {
				return wants(field, items.Node())
			}
			list = append(list, string(items.Node().Data))
		}
		*to = list
	default:
		panic(fmt.Sprintf("internal error: settings of type %s cannot be decoded", field.Type()))
	}
	return nil
}

func wants(field reflect.Value, value *unstable.Node) error {
	want := map[reflect.Kind]string{
		reflect.String: "a string", reflect.Bool: "true or false", reflect.Slice: "a list of strings",
	}[field.Kind()]
	if w, ok := field.Interface().(interface{ want() string }); ok {
		want = w.want()
	}
	is := strings.ToLower(value.Kind.String())
	if len(value.Data) > 0 && value.Kind != unstable.Array {
		is += " " + string(value.Data)
	}
	return fmt.Errorf("wants %s, is the %s", want, is)
}

func isTables(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct
}

func isText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// bare is a path without its indices: what the user wrote.
func bare(path string) string {
	var b strings.Builder
	for path != "" {
		before, after, found := strings.Cut(path, "[")
		b.WriteString(before)
		if !found {
			break
		}
		_, path, _ = strings.Cut(after, "]")
	}
	return b.String()
}
