package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

func (sh *shell) logs() *cobra.Command {
	var q client.LogQuery
	var since, until, trace string
	cmd := &cobra.Command{
		Use:   "logs [FUNCTION...]",
		Short: "Show what functions wrote",
		Long: `Shows the log of each FUNCTION, or of all functions, in the order of time: what they
wrote, and the lines START, END and REPORT of every invocation. With -f it goes on as more
is written. What is asked for together must all be so.

--level understands JSON with a property such as level or severity, as the usual libraries
write it, and what Node.js's and Python's runtimes put before lines. Lines that do not say
their level are left out; of the platform's own, those of failed invocations are errors.

--pattern is a filter pattern of CloudWatch: terms that must all be there ("ERROR timeout"),
one of which must (?ERROR ?WARN), that must not (-health), or {$.latency > 100} for JSON and
[ip, user, code = 5*] for columns.`,
		Example: `  pinfold logs -f
  pinfold logs shop-dev-order shop-dev-price --since 5m --level warn
  pinfold logs --trace 4bf92f3577b34da6a3ce929d0e0e4736
  pinfold logs shop-dev-order --pattern '{$.status >= 500 && $.path = "/pay*"}'
  pinfold logs --json | jq -r 'select(.system | not) | .text'`,
		Args:              func(_ *cobra.Command, args []string) error { return notEmpty(args) },
		ValidArgsFunction: sh.completeFunctions,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			for name, value := range map[string]string{"request": q.RequestID, "trace": trace, "level": q.Level} {
				if value == "" && cmd.Flags().Changed(name) {
					return pinfold.Errorf(pinfold.Invalid, "--%s is empty", name)
				}
			}
			q.Functions = args
			if q.Tail < 0 {
				return pinfold.Errorf(pinfold.Invalid, "--tail %d is not a number of lines", q.Tail)
			}
			if q.Follow && (until != "" || trace != "") {
				return pinfold.Errorf(pinfold.Invalid, "--until and --trace are about what is over: leave out --follow")
			}
			if q.Since, err = parseTime("--since", since, time.Now()); err != nil {
				return err
			}
			if q.Until, err = parseTime("--until", until, time.Now()); err != nil {
				return err
			}
			if !q.Until.IsZero() && !q.Since.Before(q.Until) {
				return pinfold.Errorf(pinfold.Invalid, "--since %s is not before --until %s", since, until)
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			if trace != "" {
				if q.Trace, err = traceID(cmd.Context(), c, trace); err != nil {
					return err
				}
			}
			return sh.printLogs(cmd.Context(), c, q)
		},
	}
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with new lines as they are written")
	cmd.Flags().StringVar(&since, "since", "", "only lines younger than a `duration` (5m, 2h) or a time (RFC 3339)")
	cmd.Flags().StringVar(&until, "until", "", "only lines older than a `duration` or a time")
	cmd.Flags().StringVar(&q.Filter, "filter", "", "only lines that contain this `text`")
	cmd.Flags().StringVar(&q.Pattern, "pattern", "", "only lines that match this filter `pattern` of CloudWatch")
	cmd.Flags().StringVar(&q.Level, "level", "", "only lines of this `level` or above: trace, debug, info, warn, error, fatal")
	cmd.Flags().StringVar(&q.RequestID, "request", "", "only lines of this request `id`")
	cmd.Flags().StringVar(&trace, "trace", "", "only lines of the trace that has this `id`, or has this request")
	cmd.Flags().IntVarP(&q.Tail, "tail", "n", 0, "only the last `N` lines (0 is all)")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions([]string{"trace", "debug", "info", "warn", "error", "fatal"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
	return sh.withServer(cmd)
}

func (sh *shell) printLogs(ctx context.Context, c *client.Client, q client.LogQuery) error {
	printer, lines := sh.logPrinter(len(q.Functions) != 1), 0
	for line, err := range c.Logs(ctx, q) {
		if pinfold.CodeOf(err) == pinfold.NotFound && len(q.Functions) > 0 && q.Trace == (pinfold.TraceID{}) {
			unknown := max(0, slices.IndexFunc(q.Functions, func(name string) bool { return strings.Contains(err.Error(), "function "+name+",") }))
			return didYouMean(ctx, c, q.Functions[unknown], err)
		}
		if err != nil {
			return err
		}
		lines++
		printer.print(line)
	}
	if lines == 0 {
		sh.note("no such lines")
	}
	return nil
}

func parseSince(s string, now time.Time) (time.Time, error) { return parseTime("--since", s, now) }

// parseTime reads a flag that is a time or how long ago it was; "" is zero.
func parseTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d.Abs()), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, pinfold.Errorf(pinfold.Invalid, "%s %q is neither a duration such as 5m nor a time such as 2026-01-31T15:04:05Z", flag, s)
}

// logPrinter prints log lines: for people a colour per function, for programs JSON.
type logPrinter struct {
	sh     *shell
	named  bool // say which function wrote
	width  int  // of the longest name so far
	colors map[string]color.Attribute
}

func (sh *shell) logPrinter(named bool) *logPrinter {
	return &logPrinter{sh: sh, named: named, colors: map[string]color.Attribute{}}
}

func (p *logPrinter) print(line pinfold.LogLine) {
	out := p.sh.out
	if p.sh.json {
		writeJSON(out, line)
		return
	}
	prefix := out.faint(line.Time.Local().Format("15:04:05.000")) + " "
	if p.named {
		p.width = max(p.width, len(line.Name))
		prefix += out.paint(fmt.Sprintf("%-*s", p.width, line.Name), p.color(line.Name)) + " "
	}
	text := strings.TrimRight(line.Text, "\r\n")
	if line.System {
		text = out.faint(text)
	}
	if out.terminal {
		text = tame(unfold(text))
	}
	fmt.Fprintln(out, prefix+text)
}

// unfold makes the JSON in which Node.js functions log an error readable: the
// stack below the line, a frame a line. Other text comes back as it is.
func unfold(text string) string {
	i := strings.LastIndex(text, "\t{")
	if i < 0 {
		return text
	}
	var failure struct{ Stack []string }
	if json.Unmarshal([]byte(text[i+1:]), &failure) != nil || len(failure.Stack) == 0 {
		return text
	}
	return strings.TrimRight(text[:i], " \t") + "\n  " + strings.Join(failure.Stack, "\n  ")
}

// tame takes from a text what a terminal would obey but for colours: functions
// log what strangers send them.
func tame(text string) string {
	if strings.IndexFunc(text, obeyed) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		if color := colors.FindString(text); color != "" {
			b.WriteString(color)
			text = text[len(color):]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		if obeyed(r) {
			fmt.Fprintf(&b, "\\x%02x", r)
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// colors is a sequence that changes how text looks (ECMA-48, SGR).
var colors = regexp.MustCompile("^\x1b\\[[0-9;:]*m")

// obeyed reports whether a character is a control character that does more than
// to end a line or fill it.
func obeyed(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

var palette = []color.Attribute{
	color.FgCyan, color.FgMagenta, color.FgGreen, color.FgYellow, color.FgBlue,
	color.FgHiCyan, color.FgHiMagenta, color.FgHiGreen, color.FgHiYellow, color.FgHiBlue,
}

// color gives a function a colour: the one that its name leads to, or while
// another function has that one, the next that is free.
func (p *logPrinter) color(name string) color.Attribute {
	if c, ok := p.colors[name]; ok {
		return c
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	taken := map[color.Attribute]bool{}
	for _, c := range p.colors {
		taken[c] = true
	}
	first := int(h.Sum32() % uint32(len(palette)))
	c := palette[first]
	for i := range palette {
		if next := palette[(first+i)%len(palette)]; !taken[next] {
			c = next
			break
		}
	}
	p.colors[name] = c
	return c
}
