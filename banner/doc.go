// Package banner reaches every operator of the host: those who sit at a terminal,
// those who log in next, and those who are told by programs. What there is to say
// is its caller's business.
//
// It starts no program to do so but the hook and the mailer that are configured,
// and nothing it does waits for anybody: a terminal that is stopped, a syslog that
// hangs and a hook that does not end delay no one else.
package banner
