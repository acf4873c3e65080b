package platform

import (
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/pool"
)

func TestLoadOverlays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pinfold.yml")
	if err := os.WriteFile(file, []byte("region: eu-central-1\nhttp: 127.0.0.1:9000\nidleTimeout: 90s\nfreezeAfter: 0\ndrainTimeout:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, []string{"PINFOLD_HTTP=127.0.0.1:9001", "PINFOLD_API=http://127.0.0.1:4567/", "OTHER=x", "PINFOLD_LOG_MB="})
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "eu-central-1" || c.HTTP != "127.0.0.1:9001" || c.API != "127.0.0.1:4567" || c.IdleTimeout != 90*time.Second || c.FreezeAfter != 0 || c.DrainTimeout != 30*time.Second || c.LogMB != 64 {
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

// What is 0 is none or at once, as docs/configuration.md says, and not what the
// pool takes where nothing is said. A million is no reason to fail.
func TestLimitsOfInstances(t *testing.T) {
	for _, tc := range []struct {
		env  string
		want pool.Config // beside the defaults
		err  string
	}{
		{env: "PINFOLD_FREEZE_AFTER=0", want: pool.Config{FreezeAfter: 1}},
		{env: "PINFOLD_FREEZE_AFTER=0s", want: pool.Config{FreezeAfter: 1}},
		{env: "PINFOLD_FREEZE_AFTER=-1s", want: pool.Config{FreezeAfter: -time.Second}},
		{env: "PINFOLD_FREEZE_AFTER=1000000h", want: pool.Config{FreezeAfter: 1e6 * time.Hour}},
		{env: "PINFOLD_FREEZE_AFTER=1000000", err: "is not a duration"},
		{env: "PINFOLD_IDLE_TIMEOUT=0s", err: "idleTimeout: must be positive"},
		{env: "PINFOLD_IDLE_TIMEOUT=-1s", err: "idleTimeout: must be positive"},
		{env: "PINFOLD_IDLE_TIMEOUT=1000000h", want: pool.Config{IdleTimeout: 1e6 * time.Hour}},
		{env: "PINFOLD_CELLS=0", want: pool.Config{MaxCells: -1}},
		{env: "PINFOLD_CELLS=-1", err: "cells: must not be negative"},
		{env: "PINFOLD_CELLS=1000000", want: pool.Config{MaxCells: 1e6}},
		{env: "PINFOLD_MEMORY_MB=0"}, // the pool's default, which is the machine's
		{env: "PINFOLD_MEMORY_MB=-1", err: "memoryMB: must not be negative"},
		{env: "PINFOLD_MEMORY_MB=1000000", want: pool.Config{MemoryMB: 1e6}},
		{env: "PINFOLD_CONCURRENCY=0", err: "concurrency: must be at least 1"},
		{env: "PINFOLD_CONCURRENCY=1000000", want: pool.Config{Concurrency: 1e6}},
	} {
		c, err := Load("", []string{tc.env})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); tc.err != "" || err != nil {
			if err == nil || tc.err == "" || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v, want %q", tc.env, err, tc.err)
			}
			continue
		}
		want := pool.Config{
			Concurrency: cmp.Or(tc.want.Concurrency, 1000), MemoryMB: tc.want.MemoryMB, IdleTimeout: cmp.Or(tc.want.IdleTimeout, time.Hour),
			FreezeAfter: cmp.Or(tc.want.FreezeAfter, 100*time.Millisecond), MaxCells: cmp.Or(tc.want.MaxCells, 16),
		}
		if got := c.pool(nil); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", tc.env, got, want)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	got := UnknownVariables([]string{"PINFOLD_REGOIN=x", "PINFOLD_REGION=x", "HOME=/", "PINFOLD_DATA=", "PINFOLD_AIP=1"})
	if want := []string{"PINFOLD_AIP", "PINFOLD_REGOIN"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
