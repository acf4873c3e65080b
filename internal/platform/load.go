package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"go.yaml.in/yaml/v3"

	"pinfold.dev/pinfold"
)

// Load returns the defaults, overlaid by the configuration file (if file is not
// empty) and by the environment. It does not validate, since flags come first:
// what is not a value of its setting is reported by Validate, with all else that
// is wrong. An error means that the file cannot be read at all.
func Load(file string, environ []string) (Config, error) {
	c := Defaults()
	if file != "" {
		if err := c.readFile(file); err != nil {
			return c, err
		}
	}
	c.readEnvironment(environ)
	// The command line's clients take the same variable as a URL.
	c.API = strings.TrimSuffix(strings.TrimPrefix(c.API, "http://"), "/")
	return c, nil
}

func (c *Config) readFile(file string) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return pinfold.Errorf(pinfold.Invalid, "there is no configuration file %s", file)
	}
	if err != nil {
		return pinfold.Errorf(pinfold.Invalid, "reading the configuration file: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return pinfold.Errorf(pinfold.Invalid, "%s is not YAML: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if doc.Kind == 0 || doc.Content[0].Tag == "!!null" {
		return nil // empty, or comments alone
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return pinfold.Errorf(pinfold.Invalid, "%s:%d: write one setting a line, such as \"http: 127.0.0.1:8080\"", file, top.Line)
	}
	settings, seen := c.settings(), map[string]bool{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		field, known := settings[key.Value]
		if known && field.Type() == reflect.TypeFor[time.Duration]() && value.Tag == "!!int" {
			value.Tag = "!!str" // so that 0 is a duration, as it is in the environment
		}
		switch {
		case !known:
			c.refuse("%s:%d: %q is no setting: docs/configuration.md lists them", file, key.Line, key.Value)
		case seen[key.Value]:
			c.refuse("%s:%d: %s is there twice: leave one of them out", file, key.Line, key.Value)
		case value.Decode(field.Addr().Interface()) != nil:
			c.refuse("%s:%d: %s: %q is not %s", file, key.Line, key.Value, value.Value, wanted(field.Interface()))
		}
		seen[key.Value] = true
	}
	return nil
}

func (c *Config) readEnvironment(environ []string) {
	vars := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, "PINFOLD_") && value != "" {
			vars[name] = value
		}
	}
	err := env.ParseWithOptions(c, env.Options{Environment: vars})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return
	}
	for _, err := range all.Errors {
		var wrong env.ParseError
		if !errors.As(err, &wrong) {
			c.refuse("environment: %v", err)
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(wrong.Name)
		name := field.Tag.Get("env")
		c.refuse("%s: %q is not %s", name, vars[name], wanted(reflect.Zero(field.Type).Interface()))
	}
}

// settings returns the fields by their names in the configuration file.
func (c *Config) settings() map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = v.Field(i)
		}
	}
	return fields
}

func (c *Config) refuse(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// wanted says what a setting of this type is written as.
func wanted(setting any) string {
	switch setting.(type) {
	case time.Duration:
		return "a duration, such as 90s or 10m"
	case int:
		return "a whole number"
	case bool:
		return "true or false"
	}
	return "a text"
}

// UnknownVariables returns the names of variables that look like settings and
// are none, such as misspelt ones.
func UnknownVariables(environ []string) []string {
	known, _ := env.GetFieldParams(&Config{}) // cannot fail: Load reads the same fields
	var unknown []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "PINFOLD_") && !slices.ContainsFunc(known, func(f env.FieldParams) bool { return f.Key == name }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}
