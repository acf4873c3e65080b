package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pinfold.dev/pinfold"
)

func (sh *shell) invoke() *cobra.Command {
	var payload string
	var wantLog bool
	cmd := &cobra.Command{
		Use:   "invoke FUNCTION",
		Short: "Run a function once and print its answer",
		Long: `Runs FUNCTION (a name, NAME:VERSION, NAME:ALIAS or an ARN) and prints its answer.
The exit status is 1 if the function fails.`,
		Example: `  pinfold invoke hello-dev-greet --payload '{"name":"Ada"}'
  pinfold invoke hello-dev-greet --payload @event.json --log
  echo '{}' | pinfold invoke hello-dev-greet --payload -`,
		Args: cobra.ExactArgs(1),
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
			if err != nil {
				return err
			}
			return sh.printResult(result)
		},
	}
	cmd.Flags().StringVarP(&payload, "payload", "p", "", "the event: `JSON`, @FILE, or - for standard input")
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
	var any json.RawMessage
	if err := json.Unmarshal(event, &any); err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "the payload is not JSON: %w", err)
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
		fmt.Fprint(sh.err, faint(string(r.LogTail)))
		pretty := new(bytes.Buffer)
		if sh.terminal && json.Indent(pretty, r.Payload, "", "  ") == nil {
			r.Payload = pretty.Bytes()
		}
		fmt.Fprintf(sh.out, "%s\n", r.Payload)
	}
	if r.FunctionError != "" {
		if !sh.json {
			fmt.Fprintf(sh.err, "%s the function failed (%s)\n", red("error:"), r.FunctionError)
		}
		return errSilent
	}
	return nil
}
