package invoke

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

func TestTraceHeader(t *testing.T) {
	const root = "1-67891233-abcdef012345678912345678"
	long := strings.Repeat("x", 1000)
	for _, test := range []struct{ name, given, want string }{
		{"whole", "Root=" + root + ";Parent=463ac35c9f6413ad;Sampled=1", "Root=" + root + ";Parent=463ac35c9f6413ad;Sampled=1"},
		{"in another order, with fields of load balancers", "Self=1-x; Sampled=? ;Parent=p;Root=" + root, "Root=" + root + ";Parent=p;Sampled=?"},
		{"AWS's lineage", "Root=" + root + ";Parent=p;Sampled=0;Lineage=1:f5edea9f:0", "Root=" + root + ";Parent=p;Sampled=0;Lineage=1:f5edea9f:0"},
		{"ours", "Root=r;Parent=p;Sampled=0;Lineage=12:f5edea9f:11|1:00000001:0", "Root=r;Parent=p;Sampled=0;Lineage=12:f5edea9f:11|1:00000001:0"},
		{"as botocore writes it", "Root=r;Parent=p;Sampled=0;Lineage=2:f5edea9f:1%7C1:00000001:0", "Root=r;Parent=p;Sampled=0;Lineage=2:f5edea9f:1|1:00000001:0"},
		{"of other forms", "Root=r;Parent=p;Sampled=0;Lineage=a87bd80c:1|x:f5edea9f:0|1:f5:0||-1:f5edea9f:0|1:f5edea9f|%", "Root=r;Parent=p;Sampled=0;Lineage=1:f5edea9f:0"},
		{"counted for very long", "Root=r;Parent=p;Sampled=0;Lineage=32767:f5edea9f:255", "Root=r;Parent=p;Sampled=0;Lineage=255:f5edea9f:254"},
		{"too long", "Root=r;Parent=p;Sampled=0;Sampled=" + long + ";Other=" + long, "Root=r;Parent=p;Sampled=0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			parsed := parseTrace(test.given)
			if got := parsed.header(time.Now()); got != test.want {
				t.Errorf("%s\nbecomes %s\nnot     %s", test.given, got, test.want)
			}
		})
	}
}

// chain invokes functions, each as called by the one before it, for as long as
// it can, and returns how many ran.
func chain(t *testing.T, i *Invoker, p *parts, next func(n int) string) (ran int, header string) {
	t.Helper()
	for ; ran < 1000; ran++ {
		p.asked = p.asked[:0]
		inv := &pinfold.Invocation{Function: pinfold.FunctionRef{Account: "1", Region: "r", Name: next(ran)}, TraceID: header}
		if _, err := i.Invoke(t.Context(), inv); err != nil {
			if pinfold.ReasonOf(err) != "RecursiveInvocationException" || pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), next(ran)) {
				t.Fatal(err)
			}
			return ran, header
		}
		header = inv.TraceID
		if len(header) > 450 {
			t.Fatalf("after %d invocations the header has %d bytes", ran, len(header))
		}
	}
	return ran, header
}

// anyFunction finds a version of every function.
type anyFunction struct{ parts }

func (a *anyFunction) Resolve(_ context.Context, ref pinfold.FunctionRef) (*pinfold.Version, error) {
	return &pinfold.Version{Ref: ref.With("1")}, nil
}

func TestLoopsAreStopped(t *testing.T) {
	for _, test := range []struct {
		name string
		next func(n int) string
		want int // invocations that run
	}{
		{"calls itself", func(int) string { return "a" }, 16},
		{"through others", func(n int) string { return string(rune('a' + n%3)) }, 3 * 16},
		{"through as many as are told apart", func(n int) string { return fmt.Sprint(n % 16) }, 16 * 16},
		{"through more", func(n int) string { return fmt.Sprint(n % 40) }, 16 * 16},
		{"after a way of its own", func(n int) string {
			if n < 10 {
				return fmt.Sprint("way", n)
			}
			return "a"
		}, 10 + 16},
		{"never the same twice", func(n int) string { return fmt.Sprint(n) }, 16 * 16},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &anyFunction{}
			if ran, header := chain(t, New(a, a, a), &a.parts, test.next); ran != test.want {
				t.Errorf("%d ran, want %d; %s", ran, test.want, header)
			}
		})
	}
}

// anyLoop lets function a loop.
type anyLoop struct{ anyFunction }

func (*anyLoop) Recursive(_ context.Context, ref pinfold.FunctionRef) (bool, error) {
	return ref.Name == "a", nil
}

func TestLoopsThatAreMeant(t *testing.T) {
	a := &anyLoop{}
	i := New(a, a, a)
	if ran, _ := chain(t, i, &a.parts, func(int) string { return "a" }); ran != 1000 {
		t.Errorf("stopped after %d", ran)
	}
	if ran, _ := chain(t, i, &a.parts, func(n int) string { return string(rune('a' + n%2)) }); ran != 2*16+1 {
		t.Errorf("the other one in the loop ran %d times in all, want its own limit", ran)
	}
}

// TestLineageIsOfTheFunction, whichever version or alias was called.
func TestLineageIsOfTheFunction(t *testing.T) {
	ref := pinfold.FunctionRef{Account: "1", Region: "r", Name: "f"}
	if hash(ref) != hash(ref.With("live")) {
		t.Error("an alias makes another function")
	}
	for _, other := range []pinfold.FunctionRef{{Account: "1", Region: "r", Name: "g"}, {Account: "1", Region: "rf"}, {Account: "2", Region: "r", Name: "f"}} {
		if hash(ref) == hash(other) {
			t.Errorf("%v counts as %v", other, ref)
		}
	}
}

func TestTraceHeaderCostsOneAllocation(t *testing.T) {
	now := time.Now()
	for _, given := range []string{"", "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1;Lineage=2:f5edea9f:1|1:00000001:0"} {
		if n := testing.AllocsPerRun(100, func() {
			trace := parseTrace(given)
			trace.lineage.visit(hello)
			_ = trace.header(now)
		}); n > 1 {
			t.Errorf("%q: %v allocations", given, n)
		}
	}
}

func FuzzTrace(f *testing.F) {
	for _, s := range []string{"", "Root=1-x;Parent=y;Sampled=1", "Lineage=1:f5edea9f:0|2:00000000:1", "Lineage=%7C|:||%7", "Root=a=b;;=;Lineage", "Lineage=" + strings.Repeat("9:aaaaaaaa:8|", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		first := parseTrace(given)
		before := first.lineage
		times := first.lineage.visit(hello)
		header := first.header(time.Unix(0, 0))
		again := parseTrace(header)
		if again.lineage != first.lineage || len(header) > 450 || times < 1 || first.root != "" && again.root != first.root {
			t.Errorf("%q became %q: %+v, then %+v", given, header, first, again)
		}
		for _, v := range before.visits[:before.n] {
			if v.function == hash(hello) && times < int(v.times) {
				t.Errorf("%q: the count went from %d to %d", given, v.times, times)
			}
		}
	})
}

func BenchmarkTrace(b *testing.B) {
	now := time.Now()
	for name, given := range map[string]string{
		"none": "", "given": "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1",
		"lineage": "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1;Lineage=2:f5edea9f:1|1:00000001:0",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				trace := parseTrace(given)
				trace.lineage.visit(hello)
				_ = trace.header(now)
			}
		})
	}
}
