package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// usageError is a command line that was not understood.
type usageError struct {
	cmd *cobra.Command
	error
}

// usageErrors marks what a command and those below it say about their
// arguments as usage errors. One that only has others below it shows its help; one
// that has arguments, too, says so.
func usageErrors(cmd *cobra.Command) {
	if !cmd.Runnable() {
		cmd.Args = noCommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		cmd.SetUsageTemplate(strings.Replace(cmd.UsageTemplate(), "{{if .Runnable}}", "{{if or (not .HasAvailableSubCommands) (ne .Name .Use)}}", 1))
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{cmd, err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		usageErrors(sub)
	}
}

// useLine is how a command is written.
func useLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() && cmd.Use == cmd.Name() {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

// noCommand refuses what is not the name of a command.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("there is no command %q", args[0])
	if close := cmd.SuggestionsFor(args[0]); len(close) > 0 {
		message += ": did you mean " + strings.Join(close, " or ") + "?"
	}
	return errors.New(message)
}

// one wants one argument; hint says where to find what to write.
func one(what, hint string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("%s needs to know which %s: %s", cmd.Name(), what, hint)
		case 1:
			return notEmpty(args)
		}
		return tooMany(cmd, args[1:])
	}
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return tooMany(cmd, args[1:])
	}
	return notEmpty(args)
}

// notEmpty refuses what a script passes whose variable is not set: nothing would
// mean everything.
func notEmpty(args []string) error {
	if slices.Contains(args, "") {
		return errors.New("an argument is empty")
	}
	return nil
}

func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return tooMany(cmd, args)
	}
	return nil
}

func tooMany(cmd *cobra.Command, extra []string) error {
	return fmt.Errorf("%s does not know what to do with %q", cmd.Name(), strings.Join(extra, " "))
}

// keyValues is a flag that may be given several times, key=value each time.
type keyValues map[string]string

func (kv *keyValues) String() string { return "" }
func (kv *keyValues) Type() string   { return "key=value" }

func (kv *keyValues) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		return errors.New("write key=value")
	}
	if *kv == nil {
		*kv = keyValues{}
	}
	(*kv)[key] = value
	return nil
}
