package alarm

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/operations.md explains each alarm, in the table's words and order.
func TestEveryAlarmStandsInTheOperationsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Alarms\n")
	_, table, _ := strings.Cut(section, "|---|---|---|---|---|\n")
	for _, k := range Kinds() {
		row := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", k.ID, k.Severity, k.Title, k.Description, k.Remedy)
		if !strings.HasPrefix(table, row) {
			t.Fatalf("%s is not explained by the row\n%s", k.ID, row)
		}
		table = table[len(row):]
	}
}
