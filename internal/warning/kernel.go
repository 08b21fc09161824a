package warning

// enough is how many records the kernel's queue should take: what run itself makes
// it, and what hardening guides ask for.
const enough = 8192

// Kernel is what the kernel says of its audit.
type Kernel struct {
	BacklogLimit int // records; 0 is without limit
	RateLimit    int // records per second; 0 is none
	Rules        int // negative when not known
}

// Warnings are those that the kernel's settings are reason for. It is pure.
func (k Kernel) Warnings() []Warning {
	var f found
	f.add("backlog-small", k.BacklogLimit != 0 && k.BacklogLimit < enough, "it takes %d records", k.BacklogLimit)
	f.add("rate-limit", k.RateLimit != 0, "%d records a second", k.RateLimit)
	f.add("no-rules", k.Rules == 0, "")
	return f
}
