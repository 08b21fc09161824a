package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"auditbridge/internal/nearest"
)

// ServerKey is a key of [[remote-logging-server]] as commands take and show it: as
// texts, one for each thing in a list, none where it says nothing. Which keys there are
// is Server's to say.
type ServerKey struct {
	Name  string
	Flag  string // what a command calls it
	Usage string // the value's name stands in `back quotes`
	Kind  string // "bool", "list" or "string"

	field int
}

// ServerKeys lists them all, but for the name, in the order of the table of settings.
func ServerKeys() (keys []ServerKey) {
	t := reflect.TypeFor[Server]()
	for i := range t.NumField() {
		f := t.Field(i)
		k := ServerKey{Name: f.Tag.Get("toml"), Flag: f.Tag.Get("flag"), Usage: strings.NewReplacer("<", "`", ">", "`").Replace(f.Tag.Get("usage")), Kind: "string", field: i}
		if k.Name == "name" {
			continue
		}
		if k.Flag == "" {
			k.Flag = k.Name
		}
		if values := f.Tag.Get("oneof"); values != "" {
			k.Usage += " (" + values + ")"
		}
		switch f.Type.Kind() {
		case reflect.Bool:
			k.Kind = "bool"
		case reflect.Slice:
			k.Kind = "list"
		}
		keys = append(keys, k)
	}
	return keys
}

// FindServerKey finds a key by its name, or by what a command calls it where no key has
// that name. Its error says which one may be meant.
func FindServerKey(name string) (ServerKey, error) {
	keys := ServerKeys()
	for _, is := range []func(ServerKey) bool{func(k ServerKey) bool { return k.Name == name }, func(k ServerKey) bool { return k.Flag == name }} {
		if i := slices.IndexFunc(keys, is); i >= 0 {
			return keys[i], nil
		}
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	if near := nearest.Word(name, names); near != "" {
		return ServerKey{}, fmt.Errorf("there is no key %q; nearest key: %s", name, near)
	}
	return ServerKey{}, fmt.Errorf("there is no key %q; there are: %s", name, strings.Join(names, " "))
}

// Parse makes of texts what stands in a drop-in's table; nil, where they are empty or
// say what holds without the key, means that it is to be left out. Whether a value may
// stand there is for the whole configuration to say: only its form counts here.
func (k ServerKey) Parse(texts []string) (any, error) {
	texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == "" })
	if len(texts) == 0 {
		return nil, nil
	}
	field := reflect.TypeFor[Server]().Field(k.field)
	if k.Kind != "list" && len(texts) > 1 {
		return nil, fmt.Errorf("it has one value, and there are %d: %s", len(texts), strings.Join(texts, " "))
	}
	text := texts[0]
	switch reflect.Zero(field.Type).Interface().(type) {
	case []Filter:
		return filterTables(texts)
	case []string:
		return words(strings.Join(texts, ",")), nil
	case Port:
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not %s", text, Port(0).want())
		}
		return int64(n), nil
	case bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is not true or false", text)
		}
		if text == field.Tag.Get("default") {
			return nil, nil
		}
		return text == "true", nil
	}
	return text, nil
}

// words are the list that commas or blanks separate.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func filterTables(texts []string) ([]any, error) {
	var tables []any
	for _, text := range texts {
		table, err := parseFilter(text)
		if err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, nil
}

// parseFilter reads facility=NAME severity=NAME match=REGEXP, any of them, as the users'
// documents call them. match is the last: its expression goes to the end of the text.
func parseFilter(text string) (map[string]any, error) {
	table := map[string]any{}
	for rest := text; strings.Trim(rest, " ,") != ""; {
		key, value, found := strings.Cut(strings.TrimLeft(rest, " ,"), "=")
		if !found {
			return nil, fmt.Errorf("the filter %q is not such as facility=auth severity=info match=REGEXP", text)
		}
		rest = ""
		switch key {
		case "match":
		case "facility", "severity":
			if end := strings.IndexAny(value, " ,"); end >= 0 {
				value, rest = value[:end], value[end:]
			}
		default:
			return nil, fmt.Errorf("the filter %q: there is no %q; there are facility, severity and, as the last, match", text, key)
		}
		if _, twice := table[key]; twice {
			return nil, fmt.Errorf("the filter %q has two of %s", text, key)
		}
		table[key] = value
	}
	if len(table) == 0 {
		return nil, errors.New("a filter is empty")
	}
	return table, nil
}

// String is the filter as parseFilter reads it.
func (f Filter) String() string {
	var parts []string
	for _, part := range []struct{ key, value string }{{"facility", f.Facility}, {"severity", f.Severity}, {"match", f.Match}} {
		if part.value != "" {
			parts = append(parts, part.key+"="+part.value)
		}
	}
	if len(parts) == 0 {
		return "match=" // passes everything
	}
	return strings.Join(parts, " ")
}

// ServerValue is what is in force for one key of a server.
type ServerValue struct {
	Key    string
	Texts  []string // as Parse takes them
	Value  any      // the same as JSON has it: a string, a number, a boolean, or a list
	Origin string   // file:line:column, or in words
}

// ServerValues lists what is in force for the server of that name, key by key, without
// what says nothing; nil when there is no such server.
func (c *Config) ServerValues(name string) (values []ServerValue) {
	i := slices.IndexFunc(c.Servers, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	server := reflect.ValueOf(c.Servers[i])
	for _, k := range ServerKeys() {
		path := fmt.Sprintf("remote-logging-server[%d].%s", i, k.Name)
		v := ServerValue{Key: k.Name}
		switch value := server.Field(k.field).Interface().(type) {
		case []Filter:
			path += "[0]"
			list := []map[string]string{}
			for _, f := range value {
				v.Texts = append(v.Texts, f.String())
				list = append(list, map[string]string{"facility": f.Facility, "severity": f.Severity, "match": f.Match})
			}
			v.Value = list
		case []string:
			v.Texts, v.Value = []string{strings.Join(value, ",")}, value
		case Port:
			v.Texts, v.Value = []string{value.String()}, value
		case bool:
			v.Texts, v.Value = []string{strconv.FormatBool(value)}, value
		case Size:
			if value != 0 {
				v.Texts, v.Value = []string{value.String()}, value.String()
			}
		case string:
			if value != "" {
				v.Texts, v.Value = []string{value}, value
			}
		}
		if len(v.Texts) > 0 {
			v.Origin = c.origins[path].String()
			values = append(values, v)
		}
	}
	return values
}

// ServerHolds lists what stands in the files that the server's keys name and that can be
// read, as text.
func (c *Config) ServerHolds(name string) (values []Value) {
	for _, h := range c.held {
		if key, is := strings.CutPrefix(c.named(h.key), "remote-logging-server["+name+"]."); is && h.what != "" {
			values = append(values, Value{Key: key, Value: h.what, Origin: h.file})
		}
	}
	return values
}
