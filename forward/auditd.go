package forward

import (
	"context"
	"log/slog"

	"auditbridge/forward/auditd"
)

func openAuditd(ctx context.Context, c *Config, d Dialer, log *slog.Logger) (Transport, error) {
	conn, err := d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return auditd.New(conn, auditd.Config{WriteTimeout: c.WriteTimeout, AckTimeout: c.AckTimeout}, log), nil
}
