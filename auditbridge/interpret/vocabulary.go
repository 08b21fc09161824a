package interpret

import "sync"

// A vocabulary is the package's tables: what values are called, what fields and
// the arguments of calls are.
type vocabulary struct {
	tables map[string]*table
	fields map[string][]field
	calls  map[string]*call // with their arguments
}

// words is read when a value is first interpreted: most commands interpret none.
var words = sync.OnceValue(func() *vocabulary {
	w := &vocabulary{tables: map[string]*table{}, fields: map[string][]field{}, calls: calls().byName}
	w.readTables(namesText)
	w.readArguments(argumentsText)
	w.readFields(fieldsText)
	return w
})
