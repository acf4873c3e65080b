//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"golang.org/x/sync/errgroup"

	"pinfold.dev/pinfold/bench/host"
	"pinfold.dev/pinfold/bench/load"
)

// functions deploys many functions through the Lambda API, as the AWS SDK does,
// and calls each once, one after the other. Their instances make room for each
// other as the platform sees fit.
func functions(ctx context.Context, b *bench) error {
	zipped, err := zipFile(filepath.Join("bench", "app", "hello.js"))
	if err != nil {
		return err
	}
	p, err := b.platform(ctx, "functions", []string{"PINFOLD_IDLE_TIMEOUT=5s"}) // what is measured are functions, not instances
	if err != nil {
		return err
	}
	defer p.Stop()
	api := lambda.New(lambda.Options{
		Region: p.Region, BaseEndpoint: aws.String(p.API), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(p.Key.AccessKeyID, p.Key.SecretAccessKey, ""),
	})
	names := make([]string, b.functions)
	for i := range names {
		names[i] = fmt.Sprintf("f%d", i)
	}
	// What the platform holds once it has worked at all is not the functions'.
	settled := min(10, len(names)/2)
	if err := b.create(ctx, api, names[:settled], zipped); err != nil {
		return err
	}
	runtimes, err := bareRuntimes(ctx)
	if err != nil {
		return err
	}
	if _, _, err = b.callEach(ctx, p, names[:settled], runtimes[0]); err != nil { // the very first are those of a platform that has just started
		return err
	}
	before, err := b.resting(ctx, p)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.create(ctx, api, names[settled:], zipped); err != nil {
		return err
	}
	created := time.Since(began)
	took, bare, err := b.callEach(ctx, p, names[settled:], runtimes[0])
	if err != nil {
		return err
	}
	after, err := b.resting(ctx, p)
	if err != nil {
		return err
	}
	b.functionFigures(before, after, settled, took, bare, created)
	return nil
}

func (b *bench) functionFigures(before, after int64, settled int, took, bare []time.Duration, created time.Duration) {
	each := float64(after-before) / float64(len(took))
	tenth := min(1000, len(took)/2)
	ends := func(all []time.Duration, n int) (first, last time.Duration) {
		return load.Median(all[:n]), load.Median(all[len(all)-n:])
	}
	first, last := ends(took, tenth)
	bareFirst, bareLast := ends(bare, (tenth+yardstick-1)/yardstick)
	x := ratio(last, first) / ratio(bareLast, bareFirst)
	all := settled + len(took)
	b.figure(fmt.Sprintf("%d functions: platform memory per idle function", all), "10 KB", fmt.Sprintf("%.1f KB", each/1024), each <= 10<<10)
	b.figure(fmt.Sprintf("%d functions: p50 of the last %d calls against the first", all, tenth), "1.1 x", times(x), x <= 1.1)
	t := table{
		title: "Many functions, each called once",
		note: fmt.Sprintf("Created through the Lambda API in %.0f s, then called through it one after the other. Memory is the resident set of the platform's process "+
			"after a rest, less that with %d functions, when instances have gone; the garbage that Go has not collected or given back is in it. "+
			"Before each %dth call Node.js is booted bare: the machine may be slower for the last than it was for the first, so the figure above is what was longer than that.", created.Seconds(), settled, yardstick),
		head: []string{"functions", "resident before", "after", "p50 of the first", "p50 of the last", "p99 of all", "bare boot beside the first", "beside the last"},
	}
	p99 := load.Quantile(slices.Sorted(slices.Values(took)), .99)
	t.row(fmt.Sprint(all), megabytes(before), megabytes(after), ms(first), ms(last), ms(p99), ms(bareFirst), ms(bareLast))
	b.tables = append(b.tables, t)
}

// create makes functions that share one code package.
func (b *bench) create(ctx context.Context, api *lambda.Client, names []string, zipped []byte) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	var made atomic.Int64
	tell := b.counter("functions created", len(names))
	for _, name := range names {
		tell(int(made.Load()))
		g.Go(func() error {
			_, err := api.CreateFunction(ctx, &lambda.CreateFunctionInput{
				FunctionName: &name, Runtime: types.RuntimeNodejs20x, Handler: aws.String("hello.handler"), MemorySize: aws.Int32(1769),
				Role: aws.String("arn:aws:iam::000000000000:role/bench"), Code: &types.FunctionCode{ZipFile: zipped},
			})
			made.Add(1)
			return err
		})
	}
	return g.Wait()
}

// yardstick is how many calls there are for each bare boot beside them.
const yardstick = 20

// callEach calls functions one after the other, and now and then has a program
// boot bare.
func (b *bench) callEach(ctx context.Context, p *host.Pinfold, names, program []string) (took, bare []time.Duration, err error) {
	tell := b.counter("functions called", len(names))
	for i, name := range names {
		tell(i)
		if i%yardstick == 0 {
			d, err := bareBoot(ctx, program)
			if err != nil {
				return nil, nil, err
			}
			bare = append(bare, d)
		}
		target, err := invokes(ctx, p, name, 1)
		if err != nil {
			return nil, nil, err
		}
		s, err := load.Burst(ctx, target)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		took = append(took, s.Quantile(1))
	}
	return took, bare, nil
}

// resting is the resident memory of a platform that has had nothing to do: Go
// collects garbage after two minutes at the latest, and gives memory back.
func (b *bench) resting(ctx context.Context, p *host.Pinfold) (int64, error) {
	rest := 150 * time.Second
	if b.quick {
		rest = time.Second
	}
	b.say("letting the platform rest for %s", rest)
	if err := host.Pause(ctx, rest); err != nil {
		return 0, err
	}
	return host.RSS(p.PID()), nil
}

func zipFile(name string) ([]byte, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: filepath.Base(name), Method: zip.Deflate}
	header.SetMode(0o644)
	f, err := w.CreateHeader(header)
	if err == nil {
		_, err = f.Write(content)
	}
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}
