package namespace

import (
	"log/slog"
	"net"
)

// Options is what a driver works with.
type Options struct {
	// Dir is a folder for what the driver keeps while it runs. No other driver
	// may use the same one.
	Dir string
	// Hide lists host folders that no sandbox may see, whatever else it sees.
	Hide []string
	// Inside is what every sandbox finds on its own loopback.
	Inside []Service
	Log    *slog.Logger // nil: slog.Default
}

// Service answers on one port of every sandbox's loopback.
type Service struct {
	Port int
	// Serve serves a listener until it is closed.
	Serve func(net.Listener) error
}
