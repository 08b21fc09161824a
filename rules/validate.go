package rules

// validate says what the kernel would refuse of a rule as a whole
// (kernel/auditfilter.c, audit_data_to_entry).
func (r *Rule) validate() error {
	for _, f := range r.Fields {
		if f.ID == fieldExe && f.Text[len(f.Text)-1] == '/' {
			return complain("exe=%s is no program: it ends in a slash", f.Text)
		}
	}
	for _, id := range []FieldID{fieldKey, fieldExe} {
		if r.count(id) > 1 {
			return complain("field %s twice", fields[id].name)
		}
	}
	if r.count(fieldPath)+r.count(fieldDir)+r.count(fieldInode) > 1 {
		return complain("more than one of path, dir and inode").advise("one rule watches one place; write a rule for each")
	}
	return nil
}

// count is how many comparisons with the field there are.
func (r *Rule) count(id FieldID) (n int) {
	for i := range r.Fields {
		if r.Fields[i].ID == id {
			n++
		}
	}
	return n
}
