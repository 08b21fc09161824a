//go:build corpora

package summary

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The collection has for each of its logs what ausearch and go-libaudit make of
// it. Our sentences say the same, but for differences that are listed with their
// reason. It is compiled with -tags corpora; `make corpora` runs it.
func TestCorporaAgree(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	if root == "" {
		t.Fatal("AUDITBRIDGE_CORPORA does not name the collection")
	}
	for source, read := range map[string]func(*testing.T, string) []opinion{
		"collected-ausearch":    readStoredTable,
		"collected-go-libaudit": readStoredJSON,
	} {
		t.Run(source, func(t *testing.T) {
			same, found, compared := readMeanings(t), map[string]string{}, 0
			eachLog(t, root, func(name string, log []byte) {
				compared += collect(source, read(t, filepath.Join(root, "oracle", name)), tell(log), same, found)
			})
			if compared < 1000 {
				t.Errorf("compared %d events", compared)
			}
			t.Logf("compared %d events", compared)
			judge(t, source, found)
		})
	}
}

// eachLog hands out the logs of the collection with the name that what others
// make of them is kept under.
func eachLog(t *testing.T, root string, do func(name string, log []byte)) {
	logs := filepath.Join(root, "audit-logs")
	err := filepath.WalkDir(logs, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(logs, path)
		log, err := os.ReadFile(path)
		if err == nil {
			do(strings.ReplaceAll(name, "/", "__"), log)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readStoredTable(t *testing.T, path string) []opinion {
	dir, name := filepath.Split(path)
	f, err := os.Open(filepath.Join(dir, "ausearch-csv", name+".csv"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return readTable(t, f)
}

func readStoredJSON(t *testing.T, path string) (all []opinion) {
	dir, name := filepath.Split(path)
	f, err := os.Open(filepath.Join(dir, "go-libaudit-v2.6.2", name+".jsonl"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e struct {
			Node     string
			Seq      int64
			TS, Type string
			Result   string
			Summary  struct {
				Actor  struct{ Primary, Secondary string }
				Action string
				Object struct{ Primary, Secondary string }
				How    string
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		seconds, _, _ := strings.Cut(e.TS, ".")
		n, _ := strconv.ParseInt(seconds, 10, 64)
		all = append(all, opinion{
			event: eventKey{e.Node, n, e.Seq}, kind: e.Type,
			actor: idOf(e.Summary.Actor.Primary), as: idOf(e.Summary.Actor.Secondary), action: e.Summary.Action,
			object: objectOf(e.Summary.Object.Primary), how: e.Summary.How, end: resultWord(e.Result),
		})
	}
	return all
}
