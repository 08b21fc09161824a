package rules

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

//go:embed values.txt
var valuesText string

//go:embed fields.txt
var fieldsText string

// A names is one table of values.txt: names and numbers, both ways.
type names struct {
	order  []string
	number map[string]uint32
	name   map[uint32]string
}

func (n *names) add(number uint32, name string) {
	n.order = append(n.order, name)
	n.number[name] = number
	if n.name[number] == "" {
		n.name[number] = name
	}
}

func newNames() *names { return &names{number: map[string]uint32{}, name: map[uint32]string{}} }

var (
	values = readValues(valuesText)

	listNames, actionNames, operatorNames = values["list"], values["action"], values["operator"]

	fields, fieldNames = readFields(fieldsText)
)

func readValues(text string) map[string]*names {
	tables := map[string]*names{}
	var table *names
	for row := range rows(text) {
		if name, ok := strings.CutPrefix(row[0], "["); ok {
			table = newNames()
			tables[strings.TrimSuffix(name, "]")] = table
			continue
		}
		table.add(number(row[0]), row[1])
	}
	return tables
}

// A kind says how the value of a field is written.
type kind string

// text tells whether the value is a string behind the rule.
func (k kind) text() bool { return k == "string" || k == "path" || k == "key" }

// A fieldInfo is a row of fields.txt.
type fieldInfo struct {
	number    FieldID
	name      string
	kind      kind
	lists     []List
	operators string
}

// FieldID is a field's number (include/uapi/linux/audit.h).
type FieldID uint32

// The fields that something here knows more of than fields.txt says.
const (
	fieldPID     FieldID = 0
	fieldUID     FieldID = 1
	fieldEUID    FieldID = 2
	fieldFSUID   FieldID = 4
	fieldGID     FieldID = 5
	fieldEGID    FieldID = 6
	fieldFSGID   FieldID = 8
	fieldAUID    FieldID = 9
	fieldArch    FieldID = 11
	fieldType    FieldID = 12
	fieldPPID    FieldID = 18
	fieldFS      FieldID = 26
	fieldInode   FieldID = 102
	fieldExit    FieldID = 103
	fieldSuccess FieldID = 104
	fieldPath    FieldID = 105
	fieldPerm    FieldID = 106
	fieldDir     FieldID = 107
	fieldCompare FieldID = 111
	fieldExe     FieldID = 112
	fieldA0      FieldID = 200 // and three more
	fieldKey     FieldID = 210
)

func readFields(text string) (byNumber map[FieldID]*fieldInfo, byName map[string]*fieldInfo) {
	byNumber, byName = map[FieldID]*fieldInfo{}, map[string]*fieldInfo{}
	for row := range rows(text) {
		f := &fieldInfo{number: FieldID(number(row[0])), name: row[1], kind: kind(row[2]), operators: row[4]}
		for word := range strings.SplitSeq(row[3], ",") {
			if word == "any" {
				f.lists = append(f.lists, ListUser, ListTask, ListExit, ListExclude, ListURing)
				continue
			}
			f.lists = append(f.lists, List(values["list"].number[word]))
		}
		byName[f.name] = f
		if byNumber[f.number] == nil {
			byNumber[f.number] = f
		}
	}
	return byNumber, byName
}

// in tells whether the field may stand in a rule of the list.
func (f *fieldInfo) in(l List) bool { return slices.Contains(f.lists, l) }

// allows tells whether the field may be compared so.
func (f *fieldInfo) allows(op Operator) bool {
	switch f.operators {
	case "any":
		return true
	case "order":
		return op != Mask && op != Test
	case "equality":
		return op == Equal || op == NotEqual
	}
	return op == Equal
}

func number(word string) uint32 {
	n, err := strconv.ParseUint(word, 0, 32)
	if err != nil {
		panic(fmt.Sprintf("rules: %v", err))
	}
	return uint32(n)
}

// rows yields the words of each line, comments and empty lines left out.
func rows(text string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "#")
			if words := strings.Fields(line); len(words) > 0 && !yield(words) {
				return
			}
		}
	}
}
