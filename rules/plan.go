package rules

import "slices"

// plan is how the kernel's rules become others: the changes in their order. The
// kernel can put a rule only before or behind all others of its list, so a run of
// the wanted rules that is loaded in that order stays, and the rest is put around
// it. What is not wanted goes last: at no moment is less audited than both before
// and afterwards. A rule that must change its place is deleted right before it is
// added, in the same message to the kernel; it refuses one that it has.
func plan(loaded, wanted []Rule) (changes []Change) {
	for l := ListUser; l <= ListURing; l++ {
		changes = append(changes, planList(onList(loaded, l), onList(wanted, l))...)
	}
	return changes
}

func onList(all []Rule, l List) (some []Rule) {
	for _, r := range all {
		if r.List == l {
			some = append(some, r)
		}
	}
	return some
}

func planList(loaded, wanted []Rule) (changes []Change) {
	have := identities(loaded)
	want := identities(wanted)
	from, to := longestRun(have, want)
	put := func(i int, prepend bool) {
		if slices.Contains(have, want[i]) {
			changes = append(changes, Change{Delete: true, Rule: loaded[slices.Index(have, want[i])]})
		}
		r := wanted[i]
		r.Prepend = prepend
		changes = append(changes, Change{Rule: r})
	}
	for i := from - 1; i >= 0; i-- {
		put(i, true)
	}
	for i := to; i < len(wanted); i++ {
		put(i, false)
	}
	for i := range loaded {
		if !slices.Contains(want, have[i]) {
			changes = append(changes, Change{Delete: true, Rule: loaded[i]})
		}
	}
	return changes
}

func identities(rules []Rule) []string {
	all := make([]string, len(rules))
	for i := range rules {
		all[i] = rules[i].identity()
	}
	return all
}

// longestRun finds the longest stretch want[from:to] that have holds in that
// order, whatever else stands between.
func longestRun(have, want []string) (from, to int) {
	place := map[string]int{}
	for i, id := range have {
		place[id] = i
	}
	for start := 0; start < len(want); {
		end, last := start, -1
		for end < len(want) {
			at, ok := place[want[end]]
			if !ok || at <= last {
				break
			}
			end, last = end+1, at
		}
		if end-start > to-from {
			from, to = start, end
		}
		start = max(end, start+1)
	}
	return from, to
}
