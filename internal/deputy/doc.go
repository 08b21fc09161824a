// Package deputy lets a process give up the right to start programs and to open
// network sockets, and still have the few done that it needs. A second, small
// process, begun before, is its deputy: it obeys orders that come over a line
// from the first, each only if its own judge takes it.
//
// A program that the deputy starts is a child of the process that ordered it
// (CLONE_PARENT), as if that had started it: it alone waits for it and kills it,
// and goes on doing so if the deputy dies.
package deputy
