package runtimes

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// environment returns the variables that a function's process is started with:
// those that a function may override, its own, and then those that Lambda
// reserves. Source: "Defined runtime environment variables" in the Lambda
// developer guide.
func (l *Launcher) environment(in *Instance, paths sandbox.Paths, interpreter string) map[string]string {
	v, c := in.version, &in.version.Config
	env := l.startEnvironment(interpreter, paths)
	env["AWS_XRAY_CONTEXT_MISSING"] = "LOG_ERROR"
	if paths.Tmp != "/tmp" {
		env["TMPDIR"] = paths.Tmp
	}
	if l.options.Endpoint != "" {
		env["AWS_ENDPOINT_URL"] = l.options.Endpoint
	}
	if in.runtime.family == Node {
		env["NODE_PATH"] = strings.Join(nonEmpty(
			under(paths.Opt, "nodejs/node"+in.runtime.version+"/node_modules"), under(paths.Opt, "nodejs/node_modules"), paths.Task,
		), ":")
	}
	maps.Copy(env, c.Environment)
	if l.options.Env != nil {
		maps.Copy(env, l.options.Env(v))
	}
	maps.Copy(env, map[string]string{
		"_HANDLER":                        c.Handler,
		"AWS_REGION":                      v.Ref.Region,
		"AWS_DEFAULT_REGION":              v.Ref.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        v.Ref.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     v.Ref.Qualifier,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  in.how.initType(),
		"AWS_LAMBDA_LOG_GROUP_NAME":       logGroup(v),
		"AWS_LAMBDA_LOG_STREAM_NAME":      logStream(in.id, v, time.Now()),
		"LAMBDA_TASK_ROOT":                paths.Task,
		"LAMBDA_RUNTIME_DIR":              l.bootstraps,
	})
	if in.room > 1 {
		env["AWS_LAMBDA_MAX_CONCURRENCY"] = strconv.Itoa(in.room)
	}
	if in.runtime.family != Custom || c.Runtime == "go1.x" {
		env["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + c.Runtime
	}
	if c.LogFormat == "JSON" {
		env["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		env["AWS_LAMBDA_LOG_LEVEL"] = c.ApplicationLevel
		if c.ApplicationLevel == "" {
			env["AWS_LAMBDA_LOG_LEVEL"] = "INFO"
		}
	} else {
		env["AWS_LAMBDA_LOG_FORMAT"] = "Text"
	}
	return env
}

// initType is how the function is told whether anybody waits for it.
func (h How) initType() string {
	if h.Provisioned {
		return "provisioned-concurrency"
	}
	return "on-demand"
}

// startEnvironment returns the variables that must be there when a process
// starts, whoever's it will be.
func (l *Launcher) startEnvironment(interpreter string, paths sandbox.Paths) map[string]string {
	return map[string]string{
		"LANG":            "en_US.UTF-8",
		"TZ":              ":UTC",
		"PATH":            strings.Join(nonEmpty(dirOf(interpreter), "/usr/local/bin", "/usr/bin", "/bin", under(paths.Opt, "bin")), ":"),
		"LD_LIBRARY_PATH": strings.Join(nonEmpty(paths.Task, under(paths.Task, "lib"), under(paths.Opt, "lib")), ":"),
	}
}

// logGroup is where a function's log would be found in CloudWatch.
func logGroup(v *pinfold.Version) string {
	if v.Config.LogGroup != "" {
		return v.Config.LogGroup
	}
	return "/aws/lambda/" + v.Ref.Name
}

// logStream names the log of one instance: 2026/11/21/[$LATEST]0123456789abcdef...
func logStream(instance string, v *pinfold.Version, began time.Time) string {
	return began.UTC().Format("2006/01/02/") + "[" + v.Ref.Qualifier + "]" + instance
}

func environ(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

func dirOf(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Dir(path)
}

func under(dir, name string) string {
	if dir == "" {
		return ""
	}
	return dir + "/" + name
}

func nonEmpty(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}
