package serverless

// These tables are what a manifest can say and Pinfold does not follow. The
// reader works by them, and docs/manifest.md is written from them.

// setting is one that is ignored, with a warning that says why it usually does
// not matter.
type setting struct{ key, why string }

const (
	noVPC     = "there are no VPCs; custom.pinfold.network says what functions may reach"
	plainKept = "environment variables are kept in Pinfold's data folder as they are"
	noTraces  = "traces are sent on as the server is configured, whatever this says; the trace header is passed on"
	logsAsIs  = "logs are kept as they are written"
)

var ignoredOfProvider = []setting{
	{"vpc", noVPC}, {"kmsKeyArn", plainKept}, {"tracing", noTraces}, {"logDataProtectionPolicy", logsAsIs},
}

var ignoredOfFunction = []setting{
	{"vpc", noVPC}, {"kmsKeyArn", plainKept}, {"awsKmsKeyArn", plainKept}, {"tracing", noTraces},
	{"snapStart", "instances start in milliseconds without it"},
	{"runtimeManagement", "runtimes are those that this machine has"},
	{"disableLogs", "logs are kept, as much as Pinfold's setting logMB says"}, {"logDataProtectionPolicy", logsAsIs},
}

// unservedOfFunction would change what happens around a function.
var unservedOfFunction = []string{"fileSystemConfig"}

// ignored warns of settings that are there and not followed.
func (s section) ignored(settings []setting) {
	for _, i := range settings {
		if s.has(i.key) {
			s.r.warn(s.m.KeyAt(i.key), "%s is ignored: %s", s.label(i.key), i.why)
		}
	}
}
