package interpret

import (
	"fmt"
	"strings"
)

// A kind is what a value is: how its digits are written and what they mean.
type kind struct {
	how   how
	base  int    // of its digits: 8, 10, 16, or 0 as C has it: 0x17, 017, 17
	table *table // of asNames, asLow16 and asChoice
	by    int    // asChoice: the argument that decides what this one is
}

// how is a way to read a value.
type how uint8

const (
	asWritten      how = iota // nothing better than the value as it is
	asNames                   // by a table of names.txt
	asLow16                   // by a table of names.txt, of whose values only 16 bits are told
	asChoice                  // by a table of names.txt, as another argument has it
	asUser                    // a user id
	asGroup                   // a group id
	asUser16                  // a user id of 16 bits
	asGroup16                 // a group id of 16 bits
	asSession                 // a session's number
	asInt                     // a number of 32 bits with a sign
	asLong                    // a number of 64 bits with a sign
	asDirectory               // a file descriptor or AT_FDCWD
	asMode                    // the type of a file, when it is told, and its permissions
	asPermissions             // the permissions of a file
	asCreation                // the mode of a file that open may create
	asCapabilities            // a mask of capabilities
	asExit                    // what a system call returned
	asErrno                   // an error, with a sign or without
	asArch                    // the architecture of system calls
	asSyscall                 // the number of a system call
	asArgument                // an argument of it
	asAddress                 // a socket's address
	asKeys                    // keys of rules
	asPath                    // a path, or the name of a socket
	asAnswer                  // 1 is yes and 0 is no
	asPromiscuous             // the flags of a network device
)

var hows = map[string]how{
	"-": asWritten, "user": asUser, "group": asGroup, "user16": asUser16, "group16": asGroup16, "session": asSession, "int": asInt, "long": asLong,
	"directory": asDirectory, "mode": asMode, "device-mode": asMode, "permissions": asPermissions, "creation": asCreation, "capabilities": asCapabilities,
	"exit": asExit, "errno": asErrno, "arch": asArch, "syscall": asSyscall, "argument": asArgument, "address": asAddress,
	"keys": asKeys, "path": asPath, "answer": asAnswer, "promiscuous": asPromiscuous,
}

// readKind reads the word that stands for a kind in fields.txt and
// arguments.txt: one of hows, or the name of a table, "table@2" for a choice and
// "table/16" for the low half of its values.
func (w *vocabulary) readKind(word string, base int) kind {
	if how, ok := hows[word]; ok {
		return kind{how: how, base: base}
	}
	word, low := strings.CutSuffix(word, "/16")
	name, by, choice := strings.Cut(word, "@")
	t := w.tables[name]
	if t == nil || choice != (t.choices != nil) {
		panic(fmt.Sprintf("no kind is called %q", word))
	}
	if choice {
		return kind{how: asChoice, base: base, table: t, by: int(by[0] - '0')}
	}
	if low {
		return kind{how: asLow16, base: base, table: t}
	}
	return kind{how: asNames, base: base, table: t}
}
