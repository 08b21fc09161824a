// Package rules makes the kernel's audit rules what rule files say.
//
// It reads auditctl's language (Parse, Directory), compiles it to what the kernel
// takes (Rule, AppendWire) and reads what the kernel has (ParseWire, Host.Show). What
// the fields, lists and operators are stands in fields.txt and values.txt; system
// calls, errors and types of records are those of the packages interpret and
// auditbridge.
package rules
