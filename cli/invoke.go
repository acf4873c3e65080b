package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
)

func (sh *shell) invoke() *cobra.Command {
	var payload string
	var wantLog, async bool
	cmd := &cobra.Command{
		Use:   "invoke FUNCTION",
		Short: "Run a function once and print its answer",
		Long: `Runs FUNCTION (a name, NAME:VERSION, NAME:ALIAS or an ARN) and prints its answer
to the standard output, everything else to the standard error. What a function
streams is shown as it comes. The exit status is 1 if the function fails.

With --async the event is stored and its request id printed at once: ` + "`pinfold events`" + `
shows what waits, and ` + "`pinfold invocation ID`" + ` what came of an attempt.`,
		Example: `  pinfold invoke hello-dev-hello --payload '{"queryStringParameters":{"name":"Ada"}}'
  pinfold invoke hello-dev-hello --payload @event.json --log
  pinfold invoke hello-dev-hello --payload @event.json --async
  echo '{}' | pinfold invoke hello-dev-hello --payload -`,
		Args:              one("FUNCTION", "`pinfold ls` shows them"),
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantLog && async {
				return &usageError{cmd, errors.New("--async does not wait for a log: leave --log out")}
			}
			event, err := sh.readPayload(payload)
			if err != nil {
				return err
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			if async {
				return sh.invokeAsync(cmd.Context(), c, args[0], event)
			}
			answer := &answer{sh: sh}
			result, err := c.InvokeStream(cmd.Context(), args[0], event, wantLog, answer)
			if pinfold.CodeOf(err) == pinfold.NotFound {
				return didYouMean(cmd.Context(), c, args[0], err)
			}
			if err != nil {
				return err
			}
			return answer.finish(result)
		},
	}
	cmd.Flags().StringVarP(&payload, "payload", "p", "", "the event: `JSON`, @FILE, or - for standard input (default {})")
	cmd.Flags().BoolVarP(&wantLog, "log", "l", false, "print the end of the invocation's log (last 4 KB)")
	cmd.Flags().BoolVar(&async, "async", false, "do not wait: store the event, and print the request id")
	return sh.withServer(cmd)
}

// invokeAsync stores an event and prints its request id.
func (sh *shell) invokeAsync(ctx context.Context, c *client.Client, function string, event []byte) error {
	id, err := c.InvokeAsync(ctx, function, event)
	switch {
	case pinfold.CodeOf(err) == pinfold.NotFound:
		return didYouMean(ctx, c, function, err)
	case err != nil:
		return err
	case sh.json:
		return sh.printJSON(map[string]string{"requestId": id})
	}
	fmt.Fprintln(sh.out, id)
	return nil
}

// readPayload reads the event and refuses what is not JSON before it travels.
func (sh *shell) readPayload(arg string) ([]byte, error) {
	if arg == "" {
		return []byte("{}"), nil
	}
	event, err := sh.readText(arg)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "reading the payload: %w", err)
	}
	if err := json.Unmarshal(event, new(json.RawMessage)); err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "the payload is not JSON (%w): write --payload '{\"key\": \"value\"}', or --payload @FILE", err)
	}
	return event, nil
}

// readText returns what an argument stands for: itself, @FILE, or - for standard input.
func (sh *shell) readText(arg string) ([]byte, error) {
	if arg == "-" {
		return io.ReadAll(sh.in)
	}
	if file, isFile := strings.CutPrefix(arg, "@"); isFile {
		return os.ReadFile(file)
	}
	return []byte(arg), nil
}

// answer shows what a function says. JSON it keeps until it is all there.
type answer struct {
	sh     *shell
	passes bool // what comes goes out
	body   []byte
}

// Begin implements [pinfold.Stream].
func (a *answer) Begin(contentType string) {
	a.passes = !a.sh.json && contentType != "application/json"
}

// Write implements [pinfold.Stream].
func (a *answer) Write(p []byte) (int, error) {
	if a.passes {
		return a.sh.out.Write(p)
	}
	a.body = append(a.body, p...)
	return len(p), nil
}

// finish shows what is left when the function is done.
func (a *answer) finish(r *pinfold.Result) error {
	sh := a.sh
	switch {
	case sh.json:
		payload := json.RawMessage(a.body)
		if !json.Valid(payload) {
			payload, _ = json.Marshal(string(a.body))
		}
		if err := sh.printJSON(map[string]any{
			"payload": payload, "functionError": r.FunctionError, "executedVersion": r.ExecutedVersion, "log": string(r.LogTail),
		}); err != nil {
			return err
		}
	case a.passes:
		if sh.out.terminal {
			fmt.Fprintln(sh.out)
		}
		fmt.Fprint(sh.err, sh.err.faint(string(r.LogTail)))
	default:
		fmt.Fprint(sh.err, sh.err.faint(string(r.LogTail)))
		pretty := new(bytes.Buffer)
		if sh.out.terminal && json.Indent(pretty, a.body, "", "  ") == nil {
			a.body = pretty.Bytes()
		}
		fmt.Fprintf(sh.out, "%s\n", a.body)
	}
	if r.FunctionError == "" {
		return nil
	}
	if a.passes {
		fmt.Fprintf(sh.err, "%s the stream broke off: %s\n", sh.err.red("error:"), r.Payload)
	} else if !sh.json {
		fmt.Fprintf(sh.err, "%s the function failed (%s)\n", sh.err.red("error:"), r.FunctionError)
	}
	return errSilent
}

// didYouMean adds to an error about a function that is not there what the
// person may have meant.
func didYouMean(ctx context.Context, c *client.Client, name string, err error) error {
	hint := "`pinfold ls` shows the functions"
	all, _ := c.Functions(ctx)
	for _, f := range all {
		if strings.Contains(strings.ToLower(f.Name), strings.ToLower(name)) {
			hint = "did you mean " + f.Name + "?"
			break
		}
	}
	return pinfold.Errorf(pinfold.NotFound, "%w: %s", err, hint).WithReason(pinfold.ReasonOf(err))
}
