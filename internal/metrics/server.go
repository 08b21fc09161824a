package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"auditbridge/internal/status"
	"auditbridge/internal/unixsocket"

	"golang.org/x/net/netutil"
)

// Bounds on what whoever may connect can make run spend.
const (
	maxConnections = 16              // more wait in the socket's queue
	maxScrapes     = 2               // at a time; more are answered 503
	maxHeader      = 8 << 10         // bytes
	patience       = 2 * time.Second // for a request, for an answer to be taken, and for the next request
	retryPause     = 2 * time.Second // after a socket could not be taken
)

// Config is where metrics are served, and of what.
type Config struct {
	Address Address
	GroupID int                   // who besides root may connect to a Unix socket; -1: nobody
	Look    func() *status.Status // judged; called for each scrape
	// ListenTCP takes a socket on a TCP address, for who may not do so itself.
	ListenTCP func(address string) (net.Listener, error)
	Log       *slog.Logger
}

// Server answers GET /metrics.
type Server struct {
	Config
	scrapes chan struct{} // holds those under way
}

// NewServer returns a Server. It takes no socket: Run does.
func NewServer(c Config) *Server {
	return &Server{c, make(chan struct{}, maxScrapes)}
}

// scrape answers GET /metrics.
func (s *Server) scrape(to http.ResponseWriter, _ *http.Request) {
	select {
	case s.scrapes <- struct{}{}:
		defer func() { <-s.scrapes }()
	default:
		http.Error(to, "too many scrapes at a time", http.StatusServiceUnavailable)
		return
	}
	to.Header().Set("Content-Type", contentType)
	to.Write(appendAll(nil, s.Look()))
}

// Run serves until ctx ends. A socket that cannot be taken is tried again and is
// no error: any user may have a port before us, and must not keep run from
// recording by that.
func (s *Server) Run(ctx context.Context) error {
	for said := false; ; {
		listener, err := s.listen()
		if err == nil {
			s.Log.Info("metrics are served", "at", s.Address.Place)
			err = s.serve(ctx, listener)
		}
		if ctx.Err() != nil {
			return nil
		}
		if !said {
			s.Log.Error("metrics are not served; tried again every few seconds", "err", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryPause):
		}
	}
}

func (s *Server) listen() (net.Listener, error) {
	if s.Address.Network == "tcp" {
		return s.ListenTCP(s.Address.Place)
	}
	mode := os.FileMode(0o600)
	if s.GroupID >= 0 {
		mode = 0o660
	}
	return unixsocket.Listen(s.Address.Place, mode, s.GroupID)
}

func (s *Server) serve(ctx context.Context, on net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.scrape)
	server := &http.Server{
		Handler:     mux,
		ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: patience,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(netutil.LimitListener(on, maxConnections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
