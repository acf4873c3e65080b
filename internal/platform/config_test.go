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
	write := func(content string) string {
		file := filepath.Join(dir, "c.yml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, tc := range []struct{ name, file, env, want string }{
		{"a missing file", filepath.Join(dir, "nope.yml"), "", "there is no configuration file"},
		{"an unknown key", write("hhtp: x\n"), "", "hhtp"},
		{"a variable of the wrong type", "", "PINFOLD_CONCURRENCY=many", "many"},
	} {
		if tc.name == "an unknown key" {
			tc.file = write("hhtp: x\n")
		}
		_, err := Load(tc.file, []string{tc.env})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
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
	for _, want := range []string{`"8080" is not an address`, `"127.0.0.1:99999" is not an address`, `"12" is not an account id`, `"moon"`, "give both", `"cage" is not one of auto, process`, "concurrency"} {
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
