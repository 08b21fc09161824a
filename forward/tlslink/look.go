package tlslink

import (
	"auditbridge/internal/keyfile"
)

// Held is what the files hold: whom we believe and who we are.
type Held struct {
	Anchors []ID
	Own     *ID // nil: we show no certificate
}

// Look reads the files and says what they hold, whoever may read them. Whoever
// looks may be another user than the one who connects. What is wrong with one is
// a *keyfile.Error, or the system's own error.
func (c Config) Look() (*Held, error) {
	m, err := c.load(func(_, path string, _ uint32) ([]byte, error) { return keyfile.Look(path) })
	if err != nil {
		return nil, err
	}
	held := new(Held)
	for _, a := range m.anchors {
		held.Anchors = append(held.Anchors, *identify(a))
	}
	if m.own != nil {
		held.Own = identify(m.own.Leaf)
	}
	return held, nil
}
