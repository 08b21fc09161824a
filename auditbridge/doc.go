// Package auditbridge is the vocabulary of the program and the place where it
// hears the kernel: records, the events they form, the classes those events
// belong to, and the sources records come from.
//
// A record is one line of auditd's own text,
//
//	type=SYSCALL msg=audit(1709742929.678:2340): arch=c000003e syscall=1 …
//
// and stays those bytes from the moment it is heard until it is delivered.
// What is needed to receive and to store (record.go, note.go) knows nothing of
// fields; what looks inside a record (field.go, reassemble.go, classify.go) is
// pure, deterministic, and runs only in readers of the journal.
package auditbridge
