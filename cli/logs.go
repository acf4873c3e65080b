package cli

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

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
		Example: `  pinfold logs -f
  pinfold logs hello-dev-greet --since 5m --filter error`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				q.Function = args[0]
			}
			var err error
			if q.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			print := sh.linePrinter(q.Function == "")
			for line, err := range c.Logs(cmd.Context(), q) {
				if err != nil {
					return err
				}
				print(line)
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

// linePrinter prints log lines, a colour per function, or JSON lines.
func (sh *shell) linePrinter(named bool) func(pinfold.LogLine) {
	enc := json.NewEncoder(sh.out)
	enc.SetEscapeHTML(false)
	return func(line pinfold.LogLine) {
		if sh.json {
			_ = enc.Encode(line)
			return
		}
		prefix := faint(line.Time.Local().Format("15:04:05.000")) + " "
		if named {
			prefix += functionColor(line.Name)(line.Name) + " "
		}
		text := strings.TrimRight(line.Text, "\r\n")
		if line.System {
			text = faint(text)
		}
		fmt.Fprintln(sh.out, prefix+text)
	}
}

var palette = []color.Attribute{
	color.FgCyan, color.FgMagenta, color.FgGreen, color.FgYellow, color.FgBlue,
	color.FgHiCyan, color.FgHiMagenta, color.FgHiGreen, color.FgHiYellow, color.FgHiBlue,
}

// functionColor gives each function a colour that stays the same.
func functionColor(name string) func(...any) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return color.New(palette[h.Sum32()%uint32(len(palette))]).SprintFunc()
}
