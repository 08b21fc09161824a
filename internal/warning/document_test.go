package warning

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/operations.md explains each warning, in the table's words and order.
func TestEveryWarningStandsInTheOperationsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Warnings\n")
	_, table, _ := strings.Cut(section, "|---|---|---|---|\n")
	codes, kinds := known()
	for _, code := range codes {
		k := kinds[code]
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", k.Code, k.Title, k.Description, k.Remedy)
		if !strings.HasPrefix(table, row) {
			t.Fatalf("%s is not explained by the row\n%s", code, row)
		}
		table = table[len(row):]
	}
}
