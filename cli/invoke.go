package cli

import (
	"bytes"
	"context"
	"encoding/json"
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
	var wantLog bool
	cmd := &cobra.Command{
		Use:   "invoke FUNCTION",
		Short: "Run a function once and print its answer",
		Long: `Runs FUNCTION (a name, NAME:VERSION, NAME:ALIAS or an ARN) and prints its answer
to the standard output, everything else to the standard error. The exit status
is 1 if the function fails.`,
		Example: `  pinfold invoke hello-dev-hello --payload '{"queryStringParameters":{"name":"Ada"}}'
  pinfold invoke hello-dev-hello --payload @event.json --log
  echo '{}' | pinfold invoke hello-dev-hello --payload -`,
		Args:              one("FUNCTION", "`pinfold ls` shows them"),
		ValidArgsFunction: sh.completeFunction,
		RunE: func(cmd *cobra.Command, args []string) error {
			event, err := sh.readPayload(payload)
			if err != nil {
				return err
			}
			c, err := sh.connect()
			if err != nil {
				return err
			}
			result, err := c.Invoke(cmd.Context(), args[0], event, wantLog)
			if pinfold.CodeOf(err) == pinfold.NotFound {
				return didYouMean(cmd.Context(), c, args[0], err)
			}
			if err != nil {
				return err
			}
			return sh.printResult(result)
		},
	}
	cmd.Flags().StringVarP(&payload, "payload", "p", "", "the event: `JSON`, @FILE, or - for standard input (default {})")
	cmd.Flags().BoolVarP(&wantLog, "log", "l", false, "print the end of the invocation's log (last 4 KB)")
	return sh.withServer(cmd)
}

// readPayload reads the event and refuses what is not JSON before it travels.
func (sh *shell) readPayload(arg string) ([]byte, error) {
	var event []byte
	var err error
	switch file, isFile := strings.CutPrefix(arg, "@"); {
	case arg == "":
		event = []byte("{}")
	case arg == "-":
		event, err = io.ReadAll(sh.in)
	case isFile:
		event, err = os.ReadFile(file)
	default:
		event = []byte(arg)
	}
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "reading the payload: %w", err)
	}
	if err := json.Unmarshal(event, new(json.RawMessage)); err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "the payload is not JSON (%w): write --payload '{\"key\": \"value\"}', or --payload @FILE", err)
	}
	return event, nil
}

func (sh *shell) printResult(r *pinfold.Result) error {
	if sh.json {
		payload := json.RawMessage(r.Payload)
		if !json.Valid(payload) {
			payload, _ = json.Marshal(string(r.Payload))
		}
		if err := sh.printJSON(map[string]any{
			"payload": payload, "functionError": r.FunctionError, "executedVersion": r.ExecutedVersion, "log": string(r.LogTail),
		}); err != nil {
			return err
		}
	} else {
		fmt.Fprint(sh.err, sh.err.faint(string(r.LogTail)))
		pretty := new(bytes.Buffer)
		if sh.out.terminal && json.Indent(pretty, r.Payload, "", "  ") == nil {
			r.Payload = pretty.Bytes()
		}
		fmt.Fprintf(sh.out, "%s\n", r.Payload)
	}
	if r.FunctionError != "" {
		if !sh.json {
			fmt.Fprintf(sh.err, "%s the function failed (%s)\n", sh.err.red("error:"), r.FunctionError)
		}
		return errSilent
	}
	return nil
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
