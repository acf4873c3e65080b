package platform

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/meter"
)

// loadPrices reads the price table of the configuration; without one it is AWS's.
func loadPrices(file string) (meter.Prices, error) {
	if file == "" {
		return meter.AWS(), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return meter.Prices{}, pinfold.Errorf(pinfold.Invalid, "prices: %w", err)
	}
	prices, err := meter.ParsePrices(data)
	if err != nil {
		return prices, pinfold.Errorf(pinfold.Invalid, "prices: %s: %w", file, err)
	}
	return prices, nil
}

// usage tells what functions have used, and what that costs. Days that are not
// given are those of this month.
func (p *Platform) usage(ctx context.Context, from, to, by string) (any, error) {
	today := meter.DayOf(time.Now())
	q := meter.Query{From: today, To: today}
	q.From, _ = meter.ParseDay(today.Month() + "-01")
	for _, given := range []struct {
		text string
		day  *meter.Day
	}{{from, &q.From}, {to, &q.To}} {
		if given.text == "" {
			continue
		}
		var err error
		if *given.day, err = meter.ParseDay(given.text); err != nil {
			return nil, err
		}
	}
	if q.From > q.To {
		return nil, pinfold.Errorf(pinfold.Invalid, "%s is after %s: from is the first day, and to the last", q.From, q.To)
	}
	group, name, err := grouping(by)
	if err != nil {
		return nil, err
	}
	rows, err := p.used(ctx, q)
	if err != nil {
		return nil, err
	}
	answer := client.Usage{From: q.From.String(), To: q.To.String(), Currency: p.prices.Currency, Rows: []client.UsageRow{}}
	answer.Cost = meter.Cost(rows, p.prices).String()
	for _, u := range meter.Sum(rows, group) {
		row := client.UsageRow{
			Name: name(&u), Requests: u.Requests, Errors: u.Errors, Cold: u.Cold, BytesOut: u.BytesOut, Cost: u.Cost.String(),
			BilledMS: u.BilledMS, MBMilliseconds: u.MBMillis,
		}
		if p.prices.Block == "100ms" {
			row.BilledMS, row.MBMilliseconds = u.Billed100MS, u.MBMillis100
		}
		answer.Rows = append(answer.Rows, row)
	}
	return answer, nil
}

func (p *Platform) used(ctx context.Context, q meter.Query) (rows []meter.Usage, err error) {
	for u, err := range p.meter.Usage(ctx, q) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, u)
	}
	slices.SortFunc(rows, func(a, b meter.Usage) int { // shares of a cost are rounded in this order
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Function.ARN(), b.Function.ARN()), cmp.Compare(a.MemoryMB, b.MemoryMB), cmp.Compare(a.Architecture, b.Architecture))
	})
	return rows, nil
}

// grouping reads what usage is to be added up by, and says what that is called.
func grouping(by string) (meter.By, func(*meter.Usage) string, error) {
	switch key, tagged := strings.CutPrefix(by, "tag:"); {
	case tagged && key != "":
		return meter.By{Tag: key}, func(u *meter.Usage) string { return u.Tags[key] }, nil
	case by == "" || by == "function":
		return meter.By{Function: true}, func(u *meter.Usage) string { return u.Function.Name }, nil
	case by == "version":
		return meter.By{Version: true}, func(u *meter.Usage) string { return u.Function.Name + ":" + u.Function.Qualifier }, nil
	case by == "app":
		return meter.By{App: true}, func(u *meter.Usage) string { return u.App }, nil
	case by == "day":
		return meter.By{Day: true}, func(u *meter.Usage) string { return u.Day.String() }, nil
	}
	return meter.By{}, nil, pinfold.Errorf(pinfold.Invalid, "usage cannot be added up by %q: there are function, version, app, day and tag:KEY", by)
}

// advice tells how much memory would do, by what was used in the last 30 days.
func (p *Platform) advice(ctx context.Context) (any, error) {
	today := meter.DayOf(time.Now())
	rows, err := p.used(ctx, meter.Query{From: today - 29, To: today})
	if err != nil {
		return nil, err
	}
	all := []client.Advice{}
	for _, a := range (meter.Advisor{}).Advise(rows, p.prices) {
		all = append(all, client.Advice{
			Function: a.Function.Name, Version: a.Function.Qualifier, MemoryMB: a.MemoryMB, AdviseMB: a.AdviseMB, PeakMB: a.PeakMB,
			Requests: a.Requests, Duration: a.Duration, Expected: a.Expected, Saving: a.Saving().String(), Currency: p.prices.Currency, Reason: a.Reason,
		})
	}
	return all, nil
}
