package watch

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/operations.md explains each finding, in the table's words and order.
func TestEveryFindingStandsInTheOperationsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "|---|---|---|---|---|---|\n")
	for _, k := range Kinds() {
		raise := k.Raise.String()
		if k.Raise.Minutes() == 1 {
			raise = "1m"
		}
		row := fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", k.ID, k.Severity, raise, k.Title, k.Description, k.Remedy)
		if !strings.HasPrefix(table, row) {
			t.Fatalf("%s is not explained by the row\n%s", k.ID, row)
		}
		table = table[len(row):]
	}
}
