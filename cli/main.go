// Package cli is the command line: one file a subcommand. Commands talk to a
// server through its client; `up` and `dev` start one in this process, and
// `doctor` looks at the machine itself.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fatih/color"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// shell is what every command has at hand.
type shell struct {
	in       io.Reader
	out, err io.Writer
	json     bool   // output for programs
	server   string // --server
	data     string // --data
	terminal bool   // out is a terminal that a person looks at
}

// errSilent ends the program unsuccessfully when all has been said already.
var errSilent = errors.New("failed")

// Main runs the command line and returns the exit status: 0 done, 1 failed,
// 2 the command was not understood.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	sh := &shell{in: in, out: out, err: errOut, terminal: isTerminal(out)}
	color.NoColor = !sh.terminal || os.Getenv("NO_COLOR") != ""
	root := sh.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	}
	sh.fail(err)
	if usage, ok := errors.AsType[*usageError](err); ok {
		if !sh.json {
			fmt.Fprintf(errOut, "\n%s", usage.cmd.UsageString())
		}
		return 2
	}
	return 1
}

func (sh *shell) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pinfold",
		Short: "Run Lambda functions on your own machine",
		Long: `Pinfold runs functions when events happen, on machines that you own.

Start here:
  pinfold dev             run the application in this folder while you work on it
  pinfold up              start a server that keeps its data
  pinfold deploy          put the application in this folder on the server

A server on this machine is found by itself; PINFOLD_API and PINFOLD_DATA (or
--server and --data) name another.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().BoolVar(&sh.json, "json", false, "print JSON, for programs")
	root.PersistentFlags().StringVar(&sh.data, "data", "", "the server's data `folder`, where its root key is (PINFOLD_DATA)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err} })
	root.AddCommand(
		sh.up(), sh.dev(),
		sh.deploy(), sh.plan(), sh.remove(),
		sh.list(), sh.invoke(), sh.logs(),
		sh.env(), sh.doctor(), sh.version(),
	)
	for _, cmd := range root.Commands() {
		if cmd.Args != nil {
			check := cmd.Args
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return &usageError{cmd, err}
				}
				return nil
			}
		}
	}
	return root
}

// usageError is a command line that was not understood.
type usageError struct {
	cmd *cobra.Command
	error
}

// withServer gives a command the flag that names the server to talk to.
func (sh *shell) withServer(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&sh.server, "server", "", "the server's API `URL` (PINFOLD_API)")
	return cmd
}

// fail tells the person, or the program, what went wrong.
func (sh *shell) fail(err error) {
	if sh.json {
		_ = json.NewEncoder(sh.err).Encode(map[string]any{"error": map[string]any{
			"code": pinfold.CodeOf(err), "reason": pinfold.ReasonOf(err), "message": err.Error(),
		}})
		return
	}
	red := color.New(color.FgRed, color.Bold).SprintFunc()
	if problems, ok := errors.AsType[app.Problems](err); ok {
		for _, p := range problems {
			at := p.At.String()
			if at != "" {
				at = color.New(color.Bold).Sprint(at) + ": "
			}
			fmt.Fprintf(sh.err, "%s %s%s\n", red("error:"), at, p.Message)
		}
		return
	}
	fmt.Fprintf(sh.err, "%s %v\n", red("error:"), err)
}

// printJSON prints a value for programs.
func (sh *shell) printJSON(v any) error {
	enc := json.NewEncoder(sh.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
