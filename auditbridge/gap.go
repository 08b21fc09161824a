package auditbridge

import "strings"

// Gap says whether n tells of records that are missing. Which ops do stands in
// classes.txt, under the message id GAP. A failing disk and retention tell of
// what they did, too: theirs is a gap when something was lost, or went before it
// was delivered.
func (n *Note) Gap() bool {
	k := classes().ops[n.Op]
	if k == nil || k.msgID != "GAP" {
		return false
	}
	switch n.Op {
	case "serials-late":
		return false // it narrows one
	case "disk-error":
		return n.counts("lost")
	case "drop":
		return n.counts("undelivered")
	}
	return true
}

// counts says whether a field whose key begins so is there and not zero.
func (n *Note) counts(key string) bool {
	for _, f := range n.Fields {
		if strings.HasPrefix(f.Key, key) && f.Value != "0" {
			return true
		}
	}
	return false
}
