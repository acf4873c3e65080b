package platform

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLoadOverlays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pinfold.yml")
	if err := os.WriteFile(file, []byte("region: eu-central-1\nhttp: 127.0.0.1:9000\nidleTimeout: 90s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, []string{"PINFOLD_HTTP=127.0.0.1:9001", "PINFOLD_API=http://127.0.0.1:4567/", "OTHER=x", "PINFOLD_LOG_MB="})
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "eu-central-1" || c.HTTP != "127.0.0.1:9001" || c.API != "127.0.0.1:4567" || c.IdleTimeout != 90*time.Second || c.LogMB != 64 {
		t.Errorf("file, environment and defaults are not overlaid in that order: %+v", c)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, tc := range []struct{ name, file, want string }{
		{"a missing file", filepath.Join(dir, "nope.yml"), "there is no configuration file"},
		{"no YAML", write("no.yml", "api: [\n"), "no.yml is not YAML: line 1"},
		{"a list", write("list.yml", "\n- api\n"), "list.yml:2: write one setting a line"},
	} {
		_, err := Load(tc.file, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
	}
	for _, empty := range []string{"", "# nothing\n", "---\n"} {
		if c, err := Load(write("empty.yml", empty), nil); err != nil || c.Validate() != nil {
			t.Errorf("a file with %q: %v, %v; want the defaults", empty, err, c.Validate())
		}
	}
}

// What cannot be read as its setting is reported at once with what is no value
// for it, wherever it was said, and without words of Go.
func TestValidateReportsWhatLoadCouldNotRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(file, []byte("hhtp: x\nidleTimeout: 5\ntrustForwarded: perhaps\ndata: [a]\nregion: moon\nlogMB: 1\nlogMB: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, []string{"PINFOLD_CONCURRENCY=many", "PINFOLD_DRAIN_TIMEOUT=5"})
	if err != nil {
		t.Fatal(err)
	}
	want := "the configuration is not valid:" +
		"\n  " + file + `:1: "hhtp" is no setting: docs/configuration.md lists them` +
		"\n  " + file + `:2: idleTimeout: "5" is not a duration, such as 90s or 10m` +
		"\n  " + file + `:3: trustForwarded: "perhaps" is not true or false` +
		"\n  " + file + `:4: data: "" is not a text` +
		"\n  " + file + `:7: logMB is there twice: leave one of them out` +
		"\n  " + `PINFOLD_CONCURRENCY: "many" is not a whole number` +
		"\n  " + `PINFOLD_DRAIN_TIMEOUT: "5" is not a duration, such as 90s or 10m` +
		"\n  " + `region: "moon" does not look like a region, such as us-east-1`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Validation reports everything that is wrong at once.
func TestValidateReportsAll(t *testing.T) {
	c := Defaults()
	c.API = "127.0.0.1:99999"
	c.HTTP, c.Account, c.Region, c.RootAccessKeyID, c.Sandbox, c.Concurrency = "8080", "12", "moon", "AKIA", "cage", 0
	err := c.Validate()
	if err == nil {
		t.Fatal("a configuration that is wrong in many ways is accepted")
	}
	for _, want := range []string{`"8080" is not an address`, `"127.0.0.1:99999" is not an address`, `"12" is not an account id`, `"moon"`, "give both", `"cage" is not one of auto, namespace, process`, "concurrency"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in:\n%v", want, err)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	got := UnknownVariables([]string{"PINFOLD_REGOIN=x", "PINFOLD_REGION=x", "HOME=/", "PINFOLD_DATA=", "PINFOLD_AIP=1"})
	if want := []string{"PINFOLD_AIP", "PINFOLD_REGOIN"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
