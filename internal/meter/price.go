package meter

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"pinfold.dev/pinfold"
)

// Prices is what a month costs. Every field of it is data; [AWS] is an example.
type Prices struct {
	Currency string `yaml:"currency"`
	// Block is what billed time is rounded up to for each invocation: "1ms", the
	// default, or "100ms".
	Block string `yaml:"block"`
	// MillionRequests is the price of a million requests; tiers end at so many
	// millions.
	MillionRequests []Tier `yaml:"millionRequests"`
	// GBSecond is the price of a GB-second, by architecture. There is one for
	// each.
	GBSecond map[string][]Tier `yaml:"gbSecond"`
	// FreeGBSeconds are free, of all architectures together: of x86_64's first.
	FreeGBSeconds uint64 `yaml:"freeGBSeconds,omitempty"`
	// GBOut is the price of 2^30 bytes that functions answer; none: free.
	GBOut []Tier `yaml:"gbOut,omitempty"`
}

// Tier is a price for what is used in a month, from where the tier before ends.
type Tier struct {
	UpTo  uint64 `yaml:"upTo,omitempty"` // where it ends, in units; 0 in the last: never
	Price Rate   `yaml:"price"`
}

// Rate is an exact price of a unit, in 10^-12 of the currency. In YAML it is a
// decimal number, like 0.0000166667.
type Rate int64

const (
	rateDigits  = 12
	maxRate     = 1_000_000 // of the currency; for what is not a slip of the keyboard
	maxUpTo     = 1_000_000_000_000_000
	unitsPerOne = 1_000_000_000_000
)

// AWS returns the public list price of AWS Lambda on demand in US East (N.
// Virginia), without ephemeral storage, provisioned concurrency and streams.
// AWS charges for bytes that leave its network, which Pinfold cannot tell from
// those that stay, so they are free here.
//
// Source: https://aws.amazon.com/lambda/pricing/, as it was in September 2026;
// tiers: "Introducing tiered pricing for AWS Lambda", AWS Compute Blog, August
// 2022.
func AWS() Prices {
	return Prices{
		Currency:        "USD",
		Block:           "1ms",
		MillionRequests: []Tier{{UpTo: 1}, {Price: 200_000_000_000}},
		GBSecond: map[string][]Tier{
			X86: {{6_000_000_000, 16_666_700}, {15_000_000_000, 15_000_000}, {0, 13_333_400}},
			ARM: {{7_500_000_000, 13_333_400}, {18_750_000_000, 12_000_100}, {0, 10_666_700}},
		},
		FreeGBSeconds: 400_000,
	}
}

// ParsePrices reads prices from YAML and checks them.
func ParsePrices(data []byte) (Prices, error) {
	p := Prices{Block: "1ms"}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	dec.KnownFields(true)
	if err := dec.Decode(&p); errors.Is(err, io.EOF) {
		return p, pinfold.Errorf(pinfold.Invalid, "the price table is empty")
	} else if err != nil {
		return p, pinfold.Errorf(pinfold.Invalid, "the price table cannot be read: %w", err)
	}
	return p, p.Validate()
}

// Validate says what is wrong with prices. The error is Invalid.
func (p *Prices) Validate() error {
	if p.Currency == "" {
		return pinfold.Errorf(pinfold.Invalid, "the price table has no currency: write what its prices are in, like USD")
	}
	if p.Block != "1ms" && p.Block != "100ms" {
		return pinfold.Errorf(pinfold.Invalid, "the price table's block is %q: billed time is rounded up to 1ms or 100ms", p.Block)
	}
	for arch := range p.GBSecond {
		if arch != X86 && arch != ARM {
			return pinfold.Errorf(pinfold.Invalid, "the price table has a gbSecond of %q: there are %s and %s", arch, X86, ARM)
		}
	}
	if err := validateTiers("gbSecond."+X86, p.GBSecond[X86], true); err != nil {
		return err
	}
	if err := validateTiers("gbSecond."+ARM, p.GBSecond[ARM], true); err != nil {
		return err
	}
	if err := validateTiers("millionRequests", p.MillionRequests, true); err != nil {
		return err
	}
	return validateTiers("gbOut", p.GBOut, false)
}

func validateTiers(name string, tiers []Tier, needed bool) error {
	if len(tiers) == 0 && needed {
		return pinfold.Errorf(pinfold.Invalid, "the price table has no %s: write its tiers, at least - price: 0", name)
	}
	var end uint64
	for i, t := range tiers {
		last := i == len(tiers)-1
		switch {
		case t.Price < 0 || t.Price > maxRate*unitsPerOne:
			return pinfold.Errorf(pinfold.Invalid, "tier %d of %s in the price table: a price is from 0 to %d", i+1, name, maxRate)
		case last && t.UpTo != 0:
			return pinfold.Errorf(pinfold.Invalid, "tier %d of %s in the price table ends at %d, and nothing says what more costs: leave upTo out of the last one", i+1, name, t.UpTo)
		case !last && t.UpTo <= end:
			return pinfold.Errorf(pinfold.Invalid, "tier %d of %s in the price table ends at %d: it must be more than %d, where it begins", i+1, name, t.UpTo, end)
		case t.UpTo > maxUpTo:
			return pinfold.Errorf(pinfold.Invalid, "tier %d of %s in the price table ends at %d: %d is the highest that can be said", i+1, name, t.UpTo, maxUpTo)
		}
		end = t.UpTo
	}
	return nil
}

// UnmarshalYAML reads a decimal number from its text, so nothing is rounded.
func (r *Rate) UnmarshalYAML(node *yaml.Node) error {
	rate, err := parseRate(node.Value)
	if err != nil || node.Kind != yaml.ScalarNode {
		return pinfold.Errorf(pinfold.Invalid, "line %d: %q is not a price: write a decimal number with at most %d digits after the point, like 0.0000166667", node.Line, node.Value, rateDigits)
	}
	*r = rate
	return nil
}

// MarshalYAML returns the number that UnmarshalYAML reads.
func (r Rate) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: r.String()}, nil
}

// String returns the price as an exact decimal number.
func (r Rate) String() string { return decimal(int64(r), rateDigits, 0) }

func parseRate(s string) (Rate, error) {
	whole, fraction, point := strings.Cut(s, ".")
	if point && fraction == "" || len(fraction) > rateDigits || len(whole) > len("1000000") || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", rateDigits-len(fraction)), 10, 64)
	return Rate(n), err
}

// decimal returns n, which is in units of 10^-digits, as a decimal number with at
// least some digits after the point.
func decimal(n int64, digits, least int) string {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	s := strconv.FormatUint(u, 10)
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	whole, fraction := s[:len(s)-digits], s[len(s)-digits:]
	for len(fraction) > least && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}
