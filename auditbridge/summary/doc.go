// Package summary says in one sentence what an event tells of:
//
//	operator (session 7), as root, ran /usr/bin/passwd alice on pts1: success.
//	/usr/sbin/sshd, as root, refused the password of unknown user from 192.0.2.7: unknown user.
//
// The sentence is always built in the same order (docs/format/summary.md):
//
//	who, as whom, did what, to what, with which program, from where, on which
//	terminal (by which rule): with what result, or why not.
//
// The verbs stand in verbs.txt. Who, as whom and, beside a system call, with
// which program is what the kernel stamped; what stands in a program's message
// is that program's claim and cannot look like anything else: text of records is
// one word, or it stands in quotes.
//
// The package is pure, does no I/O, and may be used from any goroutine.
package summary
