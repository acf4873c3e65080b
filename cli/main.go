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
	"slices"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// shell is what every command has at hand.
type shell struct {
	in       io.Reader
	out, err screen
	json     bool   // output for programs
	server   string // --server
	data     string // --data
	signed   string // where the key came from that requests are signed with
}

// errSilent ends the program unsuccessfully when all has been said already.
var errSilent = errors.New("failed")

// Main runs the command line and returns the exit status: 0 done, 1 failed,
// 2 the command was not understood.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	sh := &shell{in: in, out: newScreen(out), err: newScreen(errOut)}
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
	usage, misunderstood := errors.AsType[*usageError](err)
	// A flag before --json may be the one that was not understood.
	sh.json = sh.json || misunderstood && slices.Contains(args, "--json")
	sh.fail(sh.explain(err))
	if !misunderstood {
		return 1
	}
	if !sh.json {
		fmt.Fprintf(errOut, "\nUsage: %s\n`%s --help` tells more.\n", useLine(usage.cmd), usage.cmd.CommandPath())
	}
	return 2
}

func (sh *shell) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pinfold",
		Short: "Run Lambda functions on your own machine",
		Long: `Pinfold runs AWS Lambda applications on machines that you own.

Start here:
  pinfold dev             run the application in this folder while you work on it
  pinfold up              start a server that keeps its data
  pinfold deploy          put the application in this folder on the server

A server on this machine is found by itself; PINFOLD_API and PINFOLD_DATA (or
--server and --data) name another.`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.PersistentFlags().BoolVar(&sh.json, "json", false, "print JSON, for programs")
	root.PersistentFlags().StringVar(&sh.data, "data", "", "the server's data `folder`, where its root key is (PINFOLD_DATA)")
	_ = root.MarkPersistentFlagDirname("data")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err} })
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"run", "Run a server:", []*cobra.Command{sh.up(), sh.dev()}},
		{"deploy", "Deploy an application:", []*cobra.Command{sh.deploy(), sh.plan(), sh.remove()}},
		{"use", "Look at it and use it:", []*cobra.Command{sh.list(), sh.invoke(), sh.events(), sh.queue(), sh.schedules(), sh.logs(), sh.invocations(), sh.invocation(), sh.trace(), sh.callMap(), sh.cost(), sh.network(), sh.env()}},
		{"help", "Help:", []*cobra.Command{sh.doctor(), sh.version()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, cmd := range group.commands {
			cmd.GroupID = group.id
			root.AddCommand(cmd)
		}
	}
	root.SetHelpCommandGroupID("help")
	root.SetCompletionCommandGroupID("help")
	root.InitDefaultCompletionCmd()
	usageErrors(root)
	return root
}

// fail tells the person, or the program, what went wrong.
func (sh *shell) fail(err error) {
	problems, many := errors.AsType[app.Problems](err)
	if sh.json {
		object := map[string]any{"code": codeOf(err), "message": err.Error()}
		if reason := pinfold.ReasonOf(err); reason != "" {
			object["reason"] = reason
		}
		if many {
			places := make([]map[string]any, len(problems))
			for i, p := range problems {
				places[i] = place(p.At, p.Message)
			}
			object["problems"] = places
		}
		writeJSON(sh.err, map[string]any{"error": object})
		return
	}
	label := sh.err.red("error:")
	if !many {
		fmt.Fprintf(sh.err, "%s %v\n", label, err)
		return
	}
	for _, p := range problems {
		at := p.At.String()
		if at != "" {
			at = sh.err.bold(at) + ": "
		}
		fmt.Fprintf(sh.err, "%s %s%s\n", label, at, p.Message)
	}
}

// codeOf is pinfold.CodeOf for errors of the command line too.
func codeOf(err error) pinfold.Code {
	if _, ok := errors.AsType[*usageError](err); ok {
		return pinfold.Invalid
	}
	if _, ok := errors.AsType[app.Problems](err); ok {
		return pinfold.Invalid
	}
	return pinfold.CodeOf(err)
}

// place is a message about a place in a manifest, for programs.
func place(at app.Position, message string) map[string]any {
	object := map[string]any{"message": message}
	if at.File != "" {
		object["file"] = at.File
	}
	if at.Line > 0 {
		object["line"], object["column"] = at.Line, at.Column
	}
	return object
}

// printJSON prints a value for programs.
func (sh *shell) printJSON(v any) error {
	enc := json.NewEncoder(sh.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeJSON writes a value on one line, for programs that read a stream.
func writeJSON(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // who cannot read it cannot be told
}
