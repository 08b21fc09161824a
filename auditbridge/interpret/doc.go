// Package interpret says what the numbers in a record mean: system calls and
// their arguments, errors, addresses, capabilities, modes, flags, signals, and
// through Names users and groups.
//
// What is known stands in data files, and nothing else:
//
//   - fields.txt: which field of which record is what;
//   - arguments.txt: what the arguments of a system call are;
//   - names.txt: the names of values and of flags, per architecture where they differ;
//   - syscalls.txt (generated) and syscalls_more.txt: the numbers of system calls.
//
// Everything in it is pure, allocates nothing, and may be called from any
// goroutine. The same record means the same on every machine: nothing is taken
// from the host's own headers. docs/format/interpretation.md is its description.
package interpret

//go:generate go run generate.go
