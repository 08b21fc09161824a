package diskguard

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// docs/operations.md explains each code that a message of ours has, and each cause of
// a disk that takes nothing, by what it means, what the host does next, what to type.
func TestEveryCodeStandsInTheOperationsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{string(Halt), "single-user", "flood", "recording-suspended"}
	for level := range alerts {
		causes := map[Level][]error{LevelFull: {syscall.ENOSPC, syscall.EDQUOT}, LevelError: {syscall.EIO, syscall.EROFS, syscall.EBADF}}[level]
		for _, cause := range causes {
			codes = append(codes, string(level)+" ("+string(CauseOf(cause, Room{}))+")")
		}
		if causes == nil {
			codes = append(codes, string(level))
		}
	}
	codes = append(codes, string(LevelFull)+" ("+string(NoInodes)+")", strings.Trim(strings.TrimPrefix(failureCode, "auditbridge:"), ": "))
	for _, file := range []string{"halt.go", "failure.go"} { // why a halt is withheld
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`"((?:still|not)-[a-z]+)[":]`).FindAllSubmatch(source, -1) {
			codes = append(codes, string(found[1]))
		}
	}
	if len(codes) < 16 {
		t.Fatalf("codes: %v", codes)
	}
	for _, code := range codes {
		if !regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(code) + ` \| [^|]+ \| [^|]+ \| [^|]+ \|$`).Match(page) {
			t.Errorf("%s is not explained", code)
		}
	}
}
