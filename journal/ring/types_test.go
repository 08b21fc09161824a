package ring

import (
	"maps"
	"testing"
)

// Of which types the refused records are is told with their number: what the
// producer refuses once Refuse says so, and what is told is told once.
func TestTypesOfRefusedRecords(t *testing.T) {
	r, err := Open(Config{Size: minSize})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	check := func(what string, wantN int, want Types) (types Types) {
		t.Helper()
		n, _, _, types := r.RefusedTypes()
		if n != wantN || !maps.Equal(types, want) {
			t.Errorf("%s: %d of %v, want %d of %v", what, n, types, wantN, want)
		}
		return types
	}
	r.OfType(1300)
	r.OfType(1300)
	r.OfType(1320)
	check("not refused yet", 0, nil)
	r.Refuse(3, 7, 9)
	told := check("refused", 3, Types{1300: 2, 1320: 1})
	r.OfType(1300)
	r.Refuse(1, 10, 10)
	r.Told(1, 3, 0)
	r.TypesTold(told)
	check("told, but for what came meanwhile", 1, Types{1300: 1})
	r.Publish(copy(r.Room()[:2], "a\n"), 1)
	r.DiscardTypes(Types{1112: 1})
	r.Discard(2, 1, 11, 11)
	check("discarded", 2, Types{1300: 1, 1112: 1})
	if all := r.AllRefusedTypes(); !maps.Equal(all, Types{1300: 3, 1320: 1, 1112: 1}) {
		t.Errorf("all: %v", all)
	}
}
