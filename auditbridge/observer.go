package auditbridge

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
)

// Observer asks the kernel how its audit stands, without owning it and without
// changing anything. While the kernel's queue is full, it lets everybody wait who
// asks: each method may last as long as backlog_wait_time. They serve one caller
// at a time.
type Observer struct{ control *control }

// OpenObserver opens a way to ask. Errors are NoAuditError or NotRootError where
// one of them is the cause.
func OpenObserver() (*Observer, error) {
	c, err := openControl()
	if err != nil {
		return nil, fmt.Errorf("observe kernel audit: %w", err)
	}
	return &Observer{c}, nil
}

// Status is what the kernel says of its audit system.
func (o *Observer) Status() (Status, error) { return o.control.status() }

// RulesBeside counts the rules that are loaded, without those that exempt process
// pid from being audited, and takes their print: other rules have another one.
func (o *Observer) RulesBeside(pid int) (n int, print uint64, err error) {
	o.control.mu.Lock()
	defer o.control.mu.Unlock()
	all, err := o.control.list()
	if err != nil {
		return 0, 0, err
	}
	var exempt [][]byte
	for _, e := range exceptions(pid) {
		exempt = append(exempt, e.bytes())
	}
	sum := fnv.New64a()
	for _, r := range all {
		if !slices.ContainsFunc(exempt, func(e []byte) bool { return bytes.Equal(e, r) }) {
			n++
			sum.Write(r)
		}
	}
	return n, sum.Sum64(), nil
}

// getFeature is AUDIT_GET_FEATURE (include/uapi/linux/audit.h).
const getFeature = 1019

// Features are the bits that are on of AUDIT_FEATURE_*: 1 only_unset_loginuid, 2
// loginuid_immutable.
func (o *Observer) Features() (uint32, error) {
	const features, size = 8, 16 // in struct audit_features: version, mask, features, lock
	o.control.mu.Lock()
	defer o.control.mu.Unlock()
	answer, err := o.control.ask(getFeature, size)
	if err != nil {
		return 0, fmt.Errorf("ask the kernel for its audit features: %w", refusal(err, 0))
	}
	return binary.NativeEndian.Uint32(answer[features:]), nil
}

// Say sends a message of free text (AUDIT_TRUSTED_APP) on the way that all records
// go. The kernel drops it where audit is off, or a rule excludes it.
func (o *Observer) Say(text string) error {
	o.control.mu.Lock()
	defer o.control.mu.Unlock()
	if err := o.control.request(typeTrustedApp, append([]byte(text), 0)); err != nil {
		return fmt.Errorf("send a message through kernel audit: %w", refusal(err, 0))
	}
	return nil
}

// Close gives the socket back.
func (o *Observer) Close() error { return o.control.close() }
