// Package seal makes a journal tamper-evident and checks one, or any copy of
// its raw stream: block lines with their hashes and chain, the keys that sign
// some of them, how those keys change, and verification.
//
// It is pure: bytes in, bytes and findings out. It opens no file and knows no
// clock. docs/format/seal.md is its specification.
package seal
