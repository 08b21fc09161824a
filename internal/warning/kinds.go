// Package warning knows what of a host's setup makes its audit weaker than it
// looks.
package warning

import (
	_ "embed"
	"fmt"
	"sync"

	"auditbridge/internal/glossary"
)

// Warning is one that holds. The codes are those of warnings.txt; they stay as they
// are, for others act on them.
type Warning struct {
	Code        string `json:"code"`
	Title       string `json:"title"`
	Detail      string `json:"detail,omitempty"` // which one, how much
	Description string `json:"description"`
	Remedy      string `json:"remedy"`
}

// String is a warning in one line.
func (w *Warning) String() string {
	if w.Detail != "" {
		return fmt.Sprintf("%s (%s)", w.Title, w.Detail)
	}
	return w.Title
}

//go:embed warnings.txt
var table string

// known is read when a warning is first looked for: most commands look for none.
var known = sync.OnceValues(func() ([]string, map[string]Warning) { return mustParse(table) })

// Codes are all there are, in the order of warnings.txt.
func Codes() []string {
	codes, _ := known()
	return codes
}

func mustParse(text string) (codes []string, kinds map[string]Warning) {
	kinds = map[string]Warning{}
	entries, err := glossary.Parse(text)
	if err != nil {
		panic("internal error: warnings.txt: " + err.Error())
	}
	for _, e := range entries {
		code := e.Head[0]
		codes = append(codes, code)
		kinds[code] = Warning{Code: code, Title: e.Title, Description: e.Description, Remedy: e.Remedy}
	}
	return codes, kinds
}

// found is those of the codes that hold, in order.
type found []Warning

func (f *found) add(code string, holds bool, detail string, values ...any) {
	if !holds {
		return
	}
	_, kinds := known()
	w, ok := kinds[code]
	if !ok {
		panic("internal error: warnings.txt has no " + code)
	}
	w.Detail = fmt.Sprintf(detail, values...)
	*f = append(*f, w)
}
