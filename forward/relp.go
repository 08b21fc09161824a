package forward

import (
	"context"
	"log/slog"

	"auditbridge/forward/relp"
)

func openRELP(ctx context.Context, c *Config, d Dialer, _ *slog.Logger) (Transport, error) {
	conn, err := d.Dial(ctx)
	if err != nil {
		return nil, err
	}
	client, err := relp.Open(ctx, conn, relp.Config{
		Software: "auditbridge," + c.Build, WriteTimeout: c.WriteTimeout, AckTimeout: c.AckTimeout,
	})
	if err != nil {
		return nil, err // not a nil *Client in a Transport
	}
	return client, nil
}
