package rules

// validate says what the kernel would refuse of a rule as a whole
// (kernel/auditfilter.c, audit_data_to_entry).
func (r *Rule) validate() error {
	seen := map[FieldID]int{}
	for _, f := range r.Fields {
		seen[f.ID]++
		if f.ID == fieldExe && f.Text[len(f.Text)-1] == '/' {
			return complain("exe=%s is no program: it ends in a slash", f.Text)
		}
	}
	for _, id := range []FieldID{fieldKey, fieldExe} {
		if seen[id] > 1 {
			return complain("field %s twice", fields[id].name)
		}
	}
	if n := seen[fieldPath] + seen[fieldDir] + seen[fieldInode]; n > 1 {
		return complain("more than one of path, dir and inode").advise("one rule watches one place; write a rule for each")
	}
	return nil
}
