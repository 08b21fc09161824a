package main

import (
	"encoding/json"

	"auditbridge/internal/durable"
)

// mostState bounds a file of run's in state-dir, in bytes.
const mostState = 4 << 20

// loadState reads what a process before this one left in state-dir under name;
// fs.ErrNotExist is wrapped when it left nothing.
func loadState(stateDir, name string, into any) error {
	dir, err := durable.OpenDir(stateDir, 0, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	text, err := durable.Read(dir, name, mostState)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// storeState leaves v for the next process: durably, and old or new after a
// crash.
func storeState(stateDir, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dir, err := durable.OpenDir(stateDir, 0, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	return durable.Create(dir, name, text, 0o600, -1)
}
