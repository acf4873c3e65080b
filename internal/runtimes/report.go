package runtimes

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
)

// journal writes the platform's own lines about an instance's life, as text or
// as JSON, whichever the function's log format says.
//
// Sources: "Viewing logs for Lambda functions" (START, END, REPORT),
// "Failures during the invoke phase" (Status, Error Type), "Lambda Telemetry API
// Event schema reference" (the JSON records) and "System log level event
// mapping" in the Lambda developer guide.
type journal struct {
	out     *output
	version *pinfold.Version
	how     How
	json    bool
	level   int // the least that is written
}

const (
	levelDebug = iota
	levelInfo
	levelWarn
)

func newJournal(out *output, v *pinfold.Version, how How) *journal {
	j := &journal{out: out, version: v, how: how, json: v.Config.LogFormat == "JSON", level: levelInfo}
	switch {
	case !j.json:
		j.level = levelDebug // text has no levels
	case v.Config.SystemLevel == "DEBUG":
		j.level = levelDebug
	case v.Config.SystemLevel == "WARN":
		j.level = levelWarn
	}
	return j
}

// platformEvent is a system log line in JSON.
type platformEvent struct {
	Time   string `json:"time"`
	Type   string `json:"type"`
	Record any    `json:"record"`
}

func (j *journal) write(c *call, level int, at time.Time, text, kind string, record any) {
	if level < j.level {
		return
	}
	if j.json {
		b, err := json.Marshal(platformEvent{stamp(at), kind, record})
		if err != nil {
			panic("runtimes: a system log record cannot fail to be JSON: " + err.Error())
		}
		text = string(b)
	}
	if text != "" {
		j.out.system(c, at, text)
	}
}

// stamp formats a time as Lambda's logs have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// initStart tells that the runtime is there and loads the function.
func (j *journal) initStart(at time.Time, runtime string) {
	j.write(nil, levelInfo, at, "INIT_START Runtime Version: "+runtime, "platform.initStart", struct {
		InitializationType string `json:"initializationType"`
		Phase              string `json:"phase"`
		RuntimeVersion     string `json:"runtimeVersion"`
		FunctionName       string `json:"functionName"`
		FunctionVersion    string `json:"functionVersion"`
	}{j.how.initType(), "init", runtime, j.version.Ref.Name, j.version.Ref.Qualifier})
}

// initFailed tells that the function could not be loaded: in the init phase, or
// when that was repeated for a call.
func (j *journal) initFailed(c *call, at time.Time, took time.Duration, status, errorType string) {
	phase := "init"
	if c != nil {
		phase = "invoke"
	}
	text := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s", ms(took), phase, status)
	if errorType != "" {
		text += "\tError Type: " + errorType
	}
	j.write(c, levelWarn, at, text, "platform.initReport", struct {
		InitializationType string `json:"initializationType"`
		Phase              string `json:"phase"`
		Status             string `json:"status"`
		ErrorType          string `json:"errorType,omitempty"`
		Metrics            struct {
			DurationMS float64 `json:"durationMs"`
		} `json:"metrics"`
	}{j.how.initType(), phase, status, errorType, struct {
		DurationMS float64 `json:"durationMs"`
	}{round(ms(took), 3)}})
}

func (j *journal) start(c *call) {
	if !j.json { // the usual case does without reflection
		j.out.system(c, c.began, "START RequestId: ", c.inv.ID, " Version: ", j.version.Ref.Qualifier)
		return
	}
	j.write(c, levelInfo, c.began, "", "platform.start", struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn,omitempty"`
		Version     string `json:"version"`
	}{c.inv.ID, c.arn, j.version.Ref.Qualifier})
}

// report is how an invocation went.
type report struct {
	requestID string
	duration  time.Duration
	init      time.Duration // 0 in a warm instance
	peakMB    int
	status    string // "" for success; "timeout", "error"
	errorType string // with "error"
	message   string // the failure, as the log tells it; or ""
}

// end writes what ends an invocation: the failure, END and REPORT.
func (j *journal) end(c *call, at time.Time, r report) {
	if r.message != "" {
		j.out.system(c, at, r.message)
	}
	memory := j.version.Config.MemoryMB
	if !j.json {
		j.out.system(c, at, "END RequestId: ", r.requestID)
		j.out.mu.Lock()
		defer j.out.mu.Unlock()
		j.out.scratch = r.append(j.out.scratch[:0], memory)
		j.out.own(c, at)
		return
	}
	level := levelInfo
	if r.status != "" {
		level = levelWarn
	}
	type metrics struct {
		DurationMS       float64 `json:"durationMs"`
		BilledDurationMS float64 `json:"billedDurationMs"`
		MemorySizeMB     int     `json:"memorySizeMB"`
		MaxMemoryUsedMB  int     `json:"maxMemoryUsedMB"`
		InitDurationMS   float64 `json:"initDurationMs,omitempty"`
	}
	status, done := r.status, level
	if status == "" {
		status, done = "success", levelDebug
	}
	type duration struct {
		DurationMS float64 `json:"durationMs"`
	}
	j.write(c, done, at, "", "platform.runtimeDone", struct {
		RequestID string   `json:"requestId"`
		Status    string   `json:"status"`
		ErrorType string   `json:"errorType,omitempty"`
		Metrics   duration `json:"metrics"`
	}{r.requestID, status, r.errorType, duration{round(ms(r.duration), 3)}})
	j.write(c, level, at, "", "platform.report", struct {
		RequestID string  `json:"requestId"`
		Metrics   metrics `json:"metrics"`
		Status    string  `json:"status"`
		ErrorType string  `json:"errorType,omitempty"`
	}{
		r.requestID,
		metrics{round(ms(r.duration), 3), ms(r.billed()), memory, r.peakMB, round(ms(r.init), 3)},
		status, r.errorType,
	})
}

// billed is what is paid for. INIT is since 2025-08-01.
func (r *report) billed() time.Duration {
	return (r.duration + r.init + time.Millisecond - 1).Truncate(time.Millisecond)
}

// append appends the REPORT line. It is written for every invocation, so without
// fmt.
func (r *report) append(b []byte, memoryMB int) []byte {
	b = append(append(b, "REPORT RequestId: "...), r.requestID...)
	b = append(appendMS(append(b, "\tDuration: "...), r.duration), " ms\tBilled Duration: "...)
	b = append(strconv.AppendInt(b, r.billed().Milliseconds(), 10), " ms\tMemory Size: "...)
	b = append(strconv.AppendInt(b, int64(memoryMB), 10), " MB\tMax Memory Used: "...)
	b = append(strconv.AppendInt(b, int64(r.peakMB), 10), " MB\t"...)
	if r.init > 0 {
		b = append(appendMS(append(b, "Init Duration: "...), r.init), " ms\t"...)
	}
	if r.status != "" {
		b = append(append(b, "Status: "...), r.status...)
	}
	if r.errorType != "" {
		b = append(append(b, "\tError Type: "...), r.errorType...)
	}
	return b
}

func appendMS(b []byte, d time.Duration) []byte { return strconv.AppendFloat(b, ms(d), 'f', 2, 64) }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}
