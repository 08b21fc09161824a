package auditbridge

import "bytes"

// RulesChanged gets one when a record came that the kernel's rules were changed:
// by anybody, us too. Several that nobody waited for are one.
func (r *receiver) RulesChanged() <-chan struct{} { return r.rules }

// sawRules looks at a CONFIG_CHANGE (kernel/auditfilter.c,
// audit_log_rule_change): op=add_rule, op=remove_rule, or one that the kernel
// itself changed with what it watches, op=updated_rules.
func (r *receiver) sawRules(text []byte) {
	if !bytes.Contains(text, []byte("_rule")) {
		return
	}
	select {
	case r.rules <- struct{}{}:
	default:
	}
}
