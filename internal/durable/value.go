package durable

import (
	"encoding/json"
	"os"
)

// Leave keeps v, as JSON, under name in the directory at path for a process that
// comes later, readable by its owner alone: after a crash the old value stands there
// or the new one. The directory is made with mode when it is missing; 0 makes none.
func Leave(path string, mode os.FileMode, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dir, err := OpenDir(path, mode, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	return Create(dir, name, text, 0o600, -1)
}

// Left reads what an earlier process has left, of at most limit bytes. fs.ErrNotExist
// is wrapped when there is nothing.
func Left(path, name string, limit int64, into any) error {
	dir, err := OpenDir(path, 0, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	text, err := Read(dir, name, limit)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
