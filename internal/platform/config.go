package platform

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// Config is everything that can be set about a platform. Each field has one
// name in the configuration file (yaml), one environment variable (env) and,
// for the common ones, one flag of `pinfold up`. Flags win over environment,
// environment over file, file over [Defaults].
type Config struct {
	// Data is the folder that holds everything the platform keeps.
	Data string `yaml:"data" env:"PINFOLD_DATA"`
	// API is the address of the control and AWS protocols, host:port.
	API string `yaml:"api" env:"PINFOLD_API"`
	// HTTP is the address of the public door, host:port.
	HTTP string `yaml:"http" env:"PINFOLD_HTTP"`

	Account string `yaml:"account" env:"PINFOLD_ACCOUNT"` // 12 digits
	Region  string `yaml:"region" env:"PINFOLD_REGION"`

	// RootAccessKeyID and RootSecretAccessKey are the account owner's key. If
	// both are empty the first start makes one.
	RootAccessKeyID     string `yaml:"rootAccessKeyId" env:"PINFOLD_ROOT_ACCESS_KEY_ID"`
	RootSecretAccessKey string `yaml:"rootSecretAccessKey" env:"PINFOLD_ROOT_SECRET_ACCESS_KEY"`

	// Sandbox is the sandbox driver: "namespace" has walls and needs Linux,
	// "process" has none; "auto" takes the strongest one that runs here.
	Sandbox string `yaml:"sandbox" env:"PINFOLD_SANDBOX"`
	// Concurrency is the account's limit of simultaneous invocations.
	Concurrency int `yaml:"concurrency" env:"PINFOLD_CONCURRENCY"`
	// MemoryMB is the budget for all instances together, in megabytes; those that
	// are needed least make room for others. 0 is three quarters of the machine's.
	MemoryMB int `yaml:"memoryMB" env:"PINFOLD_MEMORY_MB"`
	// Cells is how many language runtimes of a kind are booted ahead of need at
	// most; as many are as were wanted lately. 0 is none.
	Cells int `yaml:"cells" env:"PINFOLD_CELLS"`
	// FreezeAfter is how long an instance idles before its processes are stopped
	// until they are needed again. 0 is at once, less than 0 is never.
	FreezeAfter time.Duration `yaml:"freezeAfter" env:"PINFOLD_FREEZE_AFTER"`
	// IdleTimeout is how long an instance without work is kept.
	IdleTimeout time.Duration `yaml:"idleTimeout" env:"PINFOLD_IDLE_TIMEOUT"`
	// DrainTimeout is how long a stopping platform waits for running invocations.
	DrainTimeout time.Duration `yaml:"drainTimeout" env:"PINFOLD_DRAIN_TIMEOUT"`
	// TrustForwarded takes the client's address and protocol from the
	// X-Forwarded-For and X-Forwarded-Proto headers. Set it only behind a proxy
	// that sets them.
	TrustForwarded bool `yaml:"trustForwarded" env:"PINFOLD_TRUST_FORWARDED"`
	// Metrics is the address where Prometheus reads metrics, at /metrics and
	// without a signature; "" is none.
	Metrics string `yaml:"metrics" env:"PINFOLD_METRICS"`
	// OTLPEndpoint is the OpenTelemetry collector that traces are sent to:
	// http://HOST:4318, https://HOST:4318, grpc://HOST:4317 (without TLS) or
	// grpcs://HOST:4317; "" is none. OTLPHeaders go with them: "name=value,name=value".
	OTLPEndpoint string `yaml:"otlpEndpoint" env:"PINFOLD_OTLP_ENDPOINT"`
	OTLPHeaders  string `yaml:"otlpHeaders" env:"PINFOLD_OTLP_HEADERS"`
	// TraceShare is the share of traces that are sent though nothing in them
	// failed, was cold or slow: 0 to 1.
	TraceShare float64 `yaml:"traceShare" env:"PINFOLD_TRACE_SHARE"`
	// RecordDays is for how many days records of invocations are kept, and RecordMB
	// in how many megabytes at most. With 0 days there are none.
	RecordDays int `yaml:"recordDays" env:"PINFOLD_RECORD_DAYS"`
	RecordMB   int `yaml:"recordMB" env:"PINFOLD_RECORD_MB"`
	// Prices is a file with what use costs (YAML); "" is AWS's public list price.
	Prices string `yaml:"prices" env:"PINFOLD_PRICES"`
	// LogMB is how many megabytes of log are kept per log group, which a function
	// has one of, and LogAllMB about how many in all; 0 is no bound.
	LogMB    int `yaml:"logMB" env:"PINFOLD_LOG_MB"`
	LogAllMB int `yaml:"logAllMB" env:"PINFOLD_LOG_ALL_MB"`

	// Log is where events are kept: "" is in the data folder; nats://HOST:4222, with
	// several servers joined by commas, is NATS JetStream elsewhere. The fields below
	// say who Pinfold is there: a credentials file, or the file of an nkey's seed; TLS
	// (tls://) may need the CA of the servers, and a certificate with its key.
	Log            string `yaml:"log" env:"PINFOLD_LOG"`
	LogCredentials string `yaml:"logCredentials" env:"PINFOLD_LOG_CREDENTIALS"`
	LogNKey        string `yaml:"logNKey" env:"PINFOLD_LOG_NKEY"`
	LogCA          string `yaml:"logCA" env:"PINFOLD_LOG_CA"`
	LogCertificate string `yaml:"logCertificate" env:"PINFOLD_LOG_CERTIFICATE"`
	LogKey         string `yaml:"logKey" env:"PINFOLD_LOG_KEY"`
	// LogReplicas is how many servers of a cluster have a copy of each event.
	LogReplicas int `yaml:"logReplicas" env:"PINFOLD_LOG_REPLICAS"`
	// LogSync is when events in the data folder are safe from a power cut: "interval"
	// is within a second, "always" before they are acknowledged.
	LogSync string `yaml:"logSync" env:"PINFOLD_LOG_SYNC"`
	// MissedSchedules is what becomes of the times at which schedules were due while no
	// server ran: "once" or "skip".
	MissedSchedules string `yaml:"missedSchedules" env:"PINFOLD_MISSED_SCHEDULES"`

	// Dev accepts any credentials, or none, as the account owner's.
	Dev bool `yaml:"-"`

	wrong []string // what Load could not read; Validate reports it with the rest
}

// Defaults returns the configuration of a platform about which nothing is said.
func Defaults() Config {
	return Config{
		Data:         DefaultData(),
		API:          "127.0.0.1:4566",
		HTTP:         "127.0.0.1:8080",
		Account:      pinfold.DefaultAccount,
		Region:       pinfold.DefaultRegion,
		Sandbox:      "auto",
		Concurrency:  1000,
		Cells:        16,
		FreezeAfter:  100 * time.Millisecond,
		IdleTimeout:  time.Hour,
		DrainTimeout: 30 * time.Second,
		TraceShare:   0.05,
		RecordDays:   30,
		RecordMB:     1024,
		LogMB:        64,
		LogReplicas:  1,
		LogSync:      "interval",

		MissedSchedules: string(pinfold.MissedOnce),
	}
}

// DefaultData is the data folder of a platform that is not told another:
// $XDG_DATA_HOME/pinfold, usually ~/.local/share/pinfold.
func DefaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "pinfold")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "pinfold-data"
	}
	return filepath.Join(home, ".local", "share", "pinfold")
}

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
)

// LogSyncs lists what Config.LogSync may be.
var LogSyncs = []string{"interval", "always"}

// checkEvents is the part of Validate about events.
func (c *Config) checkEvents(check func(ok bool, format string, args ...any)) {
	check(slices.Contains(LogSyncs, c.LogSync), "logSync: %q is not one of %s", c.LogSync, strings.Join(LogSyncs, ", "))
	check(c.MissedSchedules == string(pinfold.MissedOnce) || c.MissedSchedules == string(pinfold.MissedSkip), "missedSchedules: %q is neither once nor skip", c.MissedSchedules)
	check(c.LogReplicas >= 1 && c.LogReplicas <= 5, "logReplicas: must be from 1 to 5, not %d", c.LogReplicas)
	check((c.LogCertificate == "") == (c.LogKey == ""), "logCertificate and logKey: give both or neither")
	if c.Log == "" {
		check(c.LogReplicas <= 1, "logReplicas: events in the data folder have no copies; name the servers of a cluster in log")
		check(c.LogCredentials == "" && c.LogNKey == "" && c.LogCA == "" && c.LogCertificate == "", "logCredentials, logNKey, logCA, logCertificate: these are for servers elsewhere: name them in log")
		return
	}
	for server := range strings.SplitSeq(c.Log, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		check(err == nil && slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) && u.Host != "", "log: %q is not a server: write nats://HOST:4222", server)
	}
}

// Sandboxes lists what Config.Sandbox may be.
var Sandboxes = []string{"auto", "namespace", "process"}

// Validate checks the configuration as a whole and reports all that is wrong.
func (c *Config) Validate() error {
	wrong := slices.Clone(c.wrong)
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	check(c.Data != "", "data: name a folder to keep everything in")
	checkAddr := func(name, addr string) {
		_, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		check(err == nil, "%s: %q is not an address: write host:port, such as 127.0.0.1:8080", name, addr)
	}
	checkAddr("api", c.API)
	checkAddr("http", c.HTTP)
	if c.Metrics != "" {
		checkAddr("metrics", c.Metrics)
	}
	check(c.API != c.HTTP || strings.HasSuffix(c.API, ":0"), "api and http: both are %s, but each needs an address of its own", c.API)
	check(accountPattern.MatchString(c.Account), "account: %q is not an account id: it has 12 digits", c.Account)
	check(regionPattern.MatchString(c.Region), "region: %q does not look like a region, such as us-east-1", c.Region)
	check((c.RootAccessKeyID == "") == (c.RootSecretAccessKey == ""),
		"rootAccessKeyId and rootSecretAccessKey: give both (PINFOLD_ROOT_ACCESS_KEY_ID, PINFOLD_ROOT_SECRET_ACCESS_KEY) or neither")
	check(slices.Contains(Sandboxes, c.Sandbox), "sandbox: %q is not one of %s", c.Sandbox, strings.Join(Sandboxes, ", "))
	check(c.Concurrency >= 1, "concurrency: must be at least 1, not %d", c.Concurrency)
	check(c.MemoryMB >= 0, "memoryMB: must not be negative")
	check(c.Cells >= 0, "cells: must not be negative")
	check(c.IdleTimeout > 0, "idleTimeout: must be positive, such as 10m")
	check(c.DrainTimeout >= 0, "drainTimeout: must not be negative")
	check(c.TraceShare >= 0 && c.TraceShare <= 1, "traceShare: must be from 0 to 1, not %v", c.TraceShare)
	check(c.RecordDays >= 0, "recordDays: must be at least 0, not %d", c.RecordDays)
	check(c.RecordMB >= 1, "recordMB: must be at least 1, not %d", c.RecordMB)
	check(c.LogMB >= 1, "logMB: must be at least 1, not %d", c.LogMB)
	check(c.LogAllMB == 0 || c.LogAllMB >= c.LogMB, "logAllMB: must be 0, for no bound, or at least logMB, which is %d, not %d", c.LogMB, c.LogAllMB)
	c.checkEvents(check)
	if len(wrong) > 0 {
		return pinfold.Errorf(pinfold.Invalid, "the configuration is not valid:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}
