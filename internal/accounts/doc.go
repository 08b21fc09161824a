// Package accounts puts names to the numbers of users and groups: from the
// host's own files and, where a reader may ask, from whatever directory its
// name service switch knows; and, for a log that is read elsewhere or years
// later, from the tables that were recorded in it.
//
// An id means somebody on one host only. So every question names the node the
// id was heard on, and the accounts of this host answer for this host, unless
// the user decides otherwise (Whose).
//
// Nothing here is on the way of a record into the journal. All names leave the
// package as one printable word (internal/terminal), whatever a file, a
// directory or a record said.
package accounts
