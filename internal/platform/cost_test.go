package platform

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/meter"
)

func TestLoadPrices(t *testing.T) {
	if p, err := loadPrices(""); err != nil || !reflect.DeepEqual(p, meter.AWS()) {
		t.Errorf("without a file the prices are %+v, %v", p, err)
	}
	for _, tc := range []struct{ name, content, says string }{
		{"own", "currency: EUR\nblock: 100ms\nmillionRequests: [{price: 0.1}]\ngbSecond: {x86_64: [{price: 0.00001}], arm64: [{price: 0.00001}]}\n", ""},
		{"missing", "", "no such file"},
		{"no table", "- a\n- b\n", "prices: "},
		{"not YAML", "currency: [", "prices: "},
		{"unknown field", "currency: EUR\nprice: 1\n", "price"},
		{"negative", "currency: EUR\nmillionRequests: [{price: -1}]\ngbSecond: {x86_64: [{price: 1}], arm64: [{price: 1}]}\n", "-1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "prices.yaml")
			if tc.content != "" {
				if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p, err := loadPrices(file)
			if tc.says == "" {
				if err != nil || p.Currency != "EUR" || p.Block != "100ms" {
					t.Errorf("the prices are %+v, %v", p, err)
				}
				return
			}
			if pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), file) {
				t.Errorf("the error is %v; it is to name %s and %q", err, file, tc.says)
			}
		})
	}
}

func TestGrouping(t *testing.T) {
	u := &meter.Usage{Function: pinfold.FunctionRef{Name: "order", Qualifier: "7"}, App: "shop/dev", Tags: map[string]string{"team": "red", "a:b": "c"}}
	u.Day, _ = meter.ParseDay("2026-11-21")
	for by, want := range map[string]struct {
		by   meter.By
		name string
	}{
		"":         {meter.By{Function: true}, "order"},
		"function": {meter.By{Function: true}, "order"},
		"version":  {meter.By{Version: true}, "order:7"},
		"app":      {meter.By{App: true}, "shop/dev"},
		"day":      {meter.By{Day: true}, "2026-11-21"},
		"tag:team": {meter.By{Tag: "team"}, "red"},
		"tag:a:b":  {meter.By{Tag: "a:b"}, "c"},
		"tag:none": {meter.By{Tag: "none"}, ""},
	} {
		if got, name, err := grouping(by); err != nil || got != want.by || name(u) != want.name {
			t.Errorf("%q is %+v, %v", by, got, err)
		}
	}
	for _, by := range []string{"tag", "tag:", "Function", "month", " app"} {
		if _, _, err := grouping(by); pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), "tag:KEY") {
			t.Errorf("%q: %v", by, err)
		}
	}
}
