package cli

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far packing or uploading is, to a person who would wonder.
// Elsewhere it shows nothing.
type progress struct {
	screen screen
	on     bool
	bar    *progressbar.ProgressBar
	what   string
}

func (d *deployment) progress() *progress {
	return &progress{screen: d.sh.err, on: d.sh.err.terminal && !d.sh.json && !d.dev}
}

// packed is called by app.Build.
func (p *progress) packed(pkg string, done, total int) {
	p.show("packing "+pkg, int64(total), false)
	if p.bar != nil {
		_ = p.bar.Set(done)
	}
}

// uploaded is called as bytes leave.
func (p *progress) uploaded(n int, total int64) {
	p.show("uploading", total, true)
	if p.bar != nil {
		_ = p.bar.Add(n)
	}
}

// show makes the bar for what is happening now.
func (p *progress) show(what string, total int64, bytes bool) {
	if !p.on || p.what == what {
		return
	}
	p.close()
	p.what = what
	// What stands beside the bar takes up to 50 columns.
	width := min(40, max(5, p.screen.width()-len(what)-50))
	p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.screen), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(width), progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(60*time.Millisecond))
}

// close takes the bar away.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	p.bar, p.what = nil, ""
}
