package cli

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
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
	var since string
	cmd := &cobra.Command{
		Use:   "logs [FUNCTION]",
		Short: "Show what functions wrote",
		Long: `Shows the log of FUNCTION, or of all functions: what they wrote, and the lines
START, END and REPORT of every invocation. With -f it goes on as more is written.`,
		Example: `  pinfold logs -f
  pinfold logs hello-dev-hello --since 5m --filter error
  pinfold logs --json | jq -r 'select(.system | not) | .text'`,
		Args:              atMostOne,
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				q.Function = args[0]
			}
			if q.Tail < 0 {
				return pinfold.Errorf(pinfold.Invalid, "--tail %d is not a number of lines", q.Tail)
			}
			var err error
			if q.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			printer, lines := sh.logPrinter(q.Function == ""), 0
			for line, err := range c.Logs(cmd.Context(), q) {
				if pinfold.CodeOf(err) == pinfold.NotFound {
					return didYouMean(cmd.Context(), c, q.Function, err)
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
		},
	}
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on with new lines as they are written")
	cmd.Flags().StringVar(&since, "since", "", "only lines younger than a `duration` (5m, 2h) or a time (RFC 3339)")
	cmd.Flags().StringVar(&q.Filter, "filter", "", "only lines that contain this `text`")
	cmd.Flags().StringVar(&q.RequestID, "request", "", "only lines of this request `id`")
	cmd.Flags().IntVarP(&q.Tail, "tail", "n", 0, "only the last `N` lines (0 is all)")
	return sh.withServer(cmd)
}

func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d.Abs()), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Time{}, pinfold.Errorf(pinfold.Invalid, "--since %q is neither a duration such as 5m nor a time such as 2026-01-31T15:04:05Z", s)
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
