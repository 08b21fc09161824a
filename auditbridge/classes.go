package auditbridge

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed classes.txt
var classesText string

// Role is a record's part in its event.
type Role uint8

const (
	Auxiliary Role = iota // detail of a syscall
	Single                // an event of its own; ends with this record
	Primary               // says what happened; a SYSCALL and more may follow
	Syscall               // says by which call it happened
	Last                  // PROCTITLE: the last detail before EOE
	End                   // EOE: ends the event
)

var roleNames = [...]string{Auxiliary: "auxiliary", Single: "single", Primary: "primary", Syscall: "syscall", Last: "last", End: "end"}

func (r Role) String() string { return nameAt(roleNames[:], int(r)) }

// kind is one row of classes.txt: what is known of a type of record, of a
// rule's key or of an op of our own.
type kind struct {
	name             string
	nameBytes        []byte // of a type; to be read only
	role             Role
	class            Class
	byKey            bool // a rule's key may say otherwise
	known            bool // false: a type without a name
	facility         Facility
	success, failure Severity
	msgID            string
}

// typeLimit is one more than the highest type with a row of its own.
const typeLimit = 3000

// classTable is classes.txt in memory.
type classTable struct {
	kinds  [typeLimit]*kind
	ranges []typeRange
	slots  [1024]RecordType // open-addressed by nameHash; 0 is empty
	keys   map[string]*kind
	ops    map[string]*kind
	other  *kind // an op without a row
}

type typeRange struct {
	first, last RecordType
	kind        kind
}

// classes is read when a record is first looked at: most commands look at none.
var classes = sync.OnceValue(func() *classTable { return mustReadClasses(classesText) })

// rowOf is a type's own row, nil when it has none.
func rowOf(t RecordType) *kind {
	if t < typeLimit {
		return classes().kinds[t]
	}
	return nil
}

// typeName returns the name of a type, "" when it has none.
func typeName(t RecordType) string {
	if k := rowOf(t); k != nil {
		return k.name
	}
	return ""
}

// typeNameBytes returns what RecordType.String does, for a type with a name
// without allocating.
func typeNameBytes(t RecordType) []byte {
	if k := rowOf(t); k != nil {
		return k.nameBytes
	}
	return appendType(nil, t)
}

// typeByName is the inverse of typeName. It allocates nothing.
func typeByName(name []byte) (RecordType, bool) {
	c := classes()
	for i := nameHash(name); ; i++ {
		t := c.slots[i%uint32(len(c.slots))]
		if t == 0 {
			return 0, false
		}
		if string(name) == c.kinds[t].name {
			return t, true
		}
	}
}

// kindOf returns the row of a type; one without a name has its range's.
func kindOf(t RecordType) *kind {
	if k := rowOf(t); k != nil {
		return k
	}
	for i := range classes().ranges {
		if r := &classes().ranges[i]; r.first <= t && t <= r.last {
			return &r.kind
		}
	}
	panic("internal error: classes.txt has no range for type " + strconv.Itoa(int(t)))
}

// nameHash is FNV-1a: names are short, and any spread will do.
func nameHash[T []byte | string](name T) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(name); i++ {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h ^ h>>15
}

// mustReadClasses reads the embedded table; a mistake in it is a mistake in
// the program, found by the first test that runs.
func mustReadClasses(text string) *classTable {
	t := &classTable{keys: map[string]*kind{}, ops: map[string]*kind{}}
	section := ""
	for i, line := range strings.Split(text, "\n") {
		columns := strings.Fields(line)
		if len(columns) == 0 || strings.HasPrefix(columns[0], "#") {
			continue
		}
		if strings.HasPrefix(columns[0], "[") {
			section = columns[0]
			continue
		}
		if err := t.add(section, columns); err != nil {
			panic(fmt.Sprintf("internal error: classes.txt:%d: %v", i+1, err))
		}
	}
	return t
}

func (t *classTable) add(section string, columns []string) error {
	switch section {
	case "[type]":
		return t.addType(columns)
	case "[range]":
		return t.addRange(columns)
	case "[key]":
		return t.addKey(columns)
	case "[op]":
		return t.addOp(columns)
	}
	return fmt.Errorf("row in unknown section %q", section)
}

func (t *classTable) addType(columns []string) error {
	k, err := readKind(columns)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(columns[0], 10, 16)
	if err != nil || n >= typeLimit || t.kinds[n] != nil {
		return fmt.Errorf("type number %q out of order", columns[0])
	}
	k.known, k.nameBytes = true, []byte(k.name)
	t.kinds[n] = &k
	i := nameHash(k.name)
	for t.slots[i%uint32(len(t.slots))] != 0 {
		i++
	}
	t.slots[i%uint32(len(t.slots))] = RecordType(n)
	return nil
}

func (t *classTable) addRange(columns []string) error {
	k, err := readKind(columns)
	if err != nil {
		return err
	}
	low, high, _ := strings.Cut(columns[0], "-")
	first, errFirst := strconv.ParseUint(low, 10, 16)
	last, errLast := strconv.ParseUint(high, 10, 16)
	if errFirst != nil || errLast != nil || first > last {
		return fmt.Errorf("range %q", columns[0])
	}
	t.ranges = append(t.ranges, typeRange{RecordType(first), RecordType(last), k})
	return nil
}

// addKey reads: key class msgid.
func (t *classTable) addKey(columns []string) error {
	if len(columns) != 3 {
		return fmt.Errorf("%d columns, not 3", len(columns))
	}
	class, ok := ParseClass(columns[1])
	if !ok {
		return fmt.Errorf("class %q", columns[1])
	}
	k := kind{name: columns[0], role: Syscall, class: class, known: true, facility: Auth, success: Info, failure: Warning, msgID: columns[2]}
	if class == ConfigChange {
		k.success = Notice
	}
	t.keys[columns[0]] = &k
	return nil
}

// addOp reads: op class facility success failure msgid.
func (t *classTable) addOp(columns []string) error {
	k, err := readKind(append([]string{"", columns[0], "single"}, columns[1:]...))
	if err != nil {
		return err
	}
	k.known = true
	if k.name == "*" {
		t.other = &k
		return nil
	}
	t.ops[k.name] = &k
	return nil
}

// readKind reads: number name role class facility success failure msgid.
func readKind(c []string) (k kind, err error) {
	if len(c) != 8 {
		return k, fmt.Errorf("%d columns, not 8", len(c))
	}
	role, okRole := indexOf(roleNames[:], c[2])
	class, okClass := ParseClass(c[3])
	facility, okFacility := ParseFacility(c[4])
	success, okSuccess := ParseSeverity(c[5])
	failure, okFailure := ParseSeverity(c[6])
	if c[3] == "by-key" {
		k.byKey, okClass = true, true
	}
	if !okRole || !okClass || !okFacility || !okSuccess || !okFailure {
		return k, fmt.Errorf("a word that is no role, class, facility or severity in %v", c)
	}
	k.name, k.role, k.class, k.facility = c[1], Role(role), class, facility
	k.success, k.failure, k.msgID = success, failure, c[7]
	return k, nil
}
