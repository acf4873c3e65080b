package meter

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"pinfold.dev/pinfold"
)

// used is a month of a function whose invocations all take the same.
func used(arch string, requests, ms uint64, memory int) Usage {
	u := Usage{Function: function("a", "1", memory).Ref, Day: DayOf(noon), MemoryMB: memory, Architecture: arch}
	u.Requests, u.BilledMS, u.Billed100MS = requests, requests*ms, requests*((ms+99)/100*100)
	u.MBMillis, u.MBMillis100 = u.BilledMS*uint64(memory), u.Billed100MS*uint64(memory)
	return u
}

// TestCostExamples computes the examples of AWS's pricing page, and what it
// takes besides to see every rule. AWS's own totals are the last column.
func TestCostExamples(t *testing.T) {
	old := AWS() // the list price of the pricing page's examples until December 2020
	old.GBSecond[X86] = []Tier{{Price: 16_670_000}}
	old.Block = "100ms"
	dear := AWS()
	dear.FreeGBSeconds, dear.MillionRequests = 0, []Tier{{Price: 200_000_000_000}}
	for _, test := range []struct {
		name   string
		rows   []Usage
		prices Prices
		want   string
		about  string // as AWS has it
	}{
		{"pricing page: mobile application backend", []Usage{used(X86, 3_000_000, 120, 1536)}, AWS(), "2.733338", "2.73"},
		{"pricing page: enriching telemetry, nothing free", []Usage{used(X86, 7_440_000, 2000, 1024)}, dear, "249.488496", "249.49"},
		{"pricing page: support tickets, without storage", []Usage{used(X86, 6_000_000, 280, 4096)}, AWS(), "106.333544", "106.33"},
		{"pricing page, 2020: 512 MB, 3 million times 1 s", []Usage{used(X86, 3_000_000, 1000, 512)}, old, "18.737", "18.74"},
		{"blocks of 100 ms", []Usage{used(X86, 30_000_000, 101, 128)}, old, "11.6345", ""},
		{"tiers, x86_64: 24 billion GB-seconds", []Usage{used(X86, 0, 0, 0), {Day: DayOf(noon), Architecture: X86, Counts: Counts{MBMillis: 24_000_000_000 * perGBSecond}}}, AWS(), "354994.13332", ""},
		{"tiers, arm64: 20 billion GB-seconds", []Usage{{Day: DayOf(noon), Architecture: ARM, Counts: Counts{MBMillis: 20_000_000_000 * perGBSecond}}}, AWS(), "248329.66664", ""},
		{"nothing", nil, AWS(), "0.00", "0.00"},
		{"all of it free", []Usage{used(ARM, 1_000_000, 100, 128)}, AWS(), "0.00", "0.00"},
		{"what is free is x86_64's first", []Usage{used(ARM, 0, 0, 0), used(X86, 300_000, 1000, 1024), {Day: DayOf(noon), Architecture: ARM, Counts: Counts{MBMillis: 200_000 * perGBSecond}}}, AWS(), "1.33334", ""},
		{"two months", []Usage{used(X86, 3_000_000, 120, 1536), func() Usage { u := used(X86, 3_000_000, 120, 1536); u.Day += 31; return u }()}, AWS(), "5.466676", ""},
	} {
		got := Cost(test.rows, test.prices)
		if got.String() != test.want {
			t.Errorf("%s costs %v, want %s", test.name, got, test.want)
		}
		var sum Money
		for _, u := range test.rows {
			sum += u.Cost
		}
		if sum != got {
			t.Errorf("%s: its rows cost %v, all of them %v", test.name, sum, got)
		}
		if cents := (got + 5_000_000) / 10_000_000 * 10_000_000; test.about != "" && cents.String() != test.about {
			t.Errorf("%s costs %v, AWS says %s", test.name, cents, test.about)
		}
	}
}

// TestCostShares adds up, whatever there is.
func TestCostShares(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	p := AWS()
	p.GBOut = []Tier{{UpTo: 1, Price: 0}, {Price: 90_000_000_000}}
	for range 100 {
		var all []Usage
		for range r.IntN(50) {
			u := used([]string{X86, ARM}[r.IntN(2)], r.Uint64N(1e7), r.Uint64N(1e6), 128<<r.IntN(5))
			u.BytesOut = r.Uint64N(1 << 40)
			u.Day += Day(r.IntN(60))
			all = append(all, u)
		}
		total := Cost(all, p)
		var sum Money
		for _, u := range all {
			if sum += u.Cost; u.Cost < 0 {
				t.Errorf("%+v costs %v", u, u.Cost)
			}
		}
		for _, u := range Sum(all, By{Day: true}) {
			sum -= u.Cost
		}
		if sum != 0 || total != func() (s Money) {
			for _, u := range all {
				s += u.Cost
			}
			return s
		}() {
			t.Errorf("shares do not add up to %v", total)
		}
	}
}

func TestAWSIsValid(t *testing.T) {
	p := AWS()
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ParsePrices(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if diff := cmp.Diff(p, read); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPricesFile keeps the example in testdata what AWS is in code.
func TestPricesFile(t *testing.T) {
	text, err := os.ReadFile("testdata/aws.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePrices(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(AWS(), p); diff != "" {
		t.Errorf("(-code +file):\n%s", diff)
	}
}

func TestParsePrices(t *testing.T) {
	const gb = "gbSecond: {x86_64: [{price: 1}], arm64: [{price: 1}]}\n"
	for _, test := range []struct{ text, want string }{
		{"", "is empty"},
		{"currency: EUR\nmillionRequests: [{price: 0.10}]\n" + gb, ""},
		{"currency: EUR\nblock: 10ms\nmillionRequests: [{price: 1}]\n" + gb, "1ms or 100ms"},
		{"millionRequests: [{price: 1}]\n" + gb, "no currency"},
		{"currency: EUR\n" + gb, "no millionRequests"},
		{"currency: EUR\nmillionRequests: [{price: 1}]\n", "no gbSecond.x86_64"},
		{"currency: EUR\nmillionRequests: [{price: 1}]\ngbSecond: {x86_64: [{price: 1}]}", "no gbSecond.arm64"},
		{"currency: EUR\nmillionRequests: [{price: 1}]\ngbSecond: {riscv: [{price: 1}]}", `"riscv"`},
		{"currency: EUR\nmillionRequests: [{price: -1}]\n" + gb, "line 2"},
		{"currency: EUR\nmillionRequests: [{price: 1e-5}]\n" + gb, `"1e-5" is not a price`},
		{"currency: EUR\nmillionRequests: [{price: 0.0000000000001}]\n" + gb, "12 digits"},
		{"currency: EUR\nmillionRequests: [{price: [1]}]\n" + gb, "is not a price"},
		{"currency: EUR\nmillionRequests: [{price: 1000001}]\n" + gb, "from 0 to 1000000"},
		{"currency: EUR\nmillionRequests: [{price: 1, upTo: 7}]\n" + gb, "leave upTo out of the last one"},
		{"currency: EUR\nmillionRequests: [{price: 1}, {price: 2}]\n" + gb, "must be more than 0"},
		{"currency: EUR\nmillionRequests: [{price: 1, upTo: 7}, {price: 2, upTo: 7}, {price: 1}]\n" + gb, "tier 2 of millionRequests"},
		{"currency: EUR\nmillionRequests: [{price: 1, upTo: 1000000000000001}, {price: 2}]\n" + gb, "highest"},
		{"currency: EUR\nmillionRequest: []\n", "millionRequest not found"},
		{"{", "cannot be read"},
	} {
		_, err := ParsePrices([]byte(test.text))
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || pinfold.CodeOf(err) != pinfold.Invalid) {
			t.Errorf("%s: %v, want %q", test.text, err, test.want)
		}
	}
}

func FuzzParsePrices(f *testing.F) {
	if text, err := os.ReadFile("testdata/aws.yaml"); err == nil {
		f.Add(text)
	}
	f.Add([]byte("currency: EUR\nmillionRequests: [{price: 0.10}]\ngbSecond: {x86_64: [{price: 1}], arm64: [{upTo: 1, price: 1}, {price: 0}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePrices(text)
		if err != nil {
			if pinfold.CodeOf(err) != pinfold.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		if total := Cost([]Usage{used(X86, 1000, 1000, 1024), used(ARM, 7, 7, 128)}, p); total < 0 {
			t.Errorf("%v", total)
		}
		text, err = yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePrices(text)
		if err != nil || !cmp.Equal(p, again, cmpopts.EquateEmpty()) {
			t.Errorf("%+v is read as %+v, %v", p, again, err)
		}
	})
}

func TestMoney(t *testing.T) {
	for m, want := range map[Money]string{0: "0.00", 1: "0.000000001", 18_740_000_000: "18.74", -5_500_000_000: "-5.50", 200: "0.0000002", -9223372036854775808: "-9223372036.854775808"} {
		if got := m.String(); got != want {
			t.Errorf("%d is %s, want %s", int64(m), got, want)
		}
	}
}
