package runtimes

import (
	"testing"

	"pinfold.dev/pinfold"
)

func BenchmarkWarm(b *testing.B) {
	for runtime, files := range benchFunctions {
		b.Run(runtime, func(b *testing.B) {
			l, v := benchLab(b, runtime, files)
			in, err := l.Launch(b.Context(), v, How{})
			if err != nil {
				b.Fatal(err)
			}
			defer in.Close()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := invoke(in, b.Context(), &pinfold.Invocation{ID: testID, Payload: []byte(`{"a":1}`)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCold(b *testing.B) {
	for runtime, files := range benchFunctions {
		b.Run(runtime, func(b *testing.B) {
			l, v := benchLab(b, runtime, files)
			var phases pinfold.Phases
			for b.Loop() {
				in, err := l.Launch(b.Context(), v, How{})
				if err != nil {
					b.Fatal(err)
				}
				phases.Boot += in.Phases().Boot
				phases.Init += in.Phases().Init
				if err := in.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(ms(phases.Boot)/float64(b.N), "boot-ms")
			b.ReportMetric(ms(phases.Init)/float64(b.N), "init-ms")
		})
	}
}

var benchFunctions = map[string]map[string]string{
	"nodejs20.x": {"app.js": `exports.handler = async (e) => e`},
	"python3.11": {"app.py": "def handler(e, c): return e"},
}

func benchLab(b *testing.B, runtime string, files map[string]string) (*Launcher, *pinfold.Version) {
	l := newLab(b, none(b))
	return l.launcher, l.version(runtime, "app.handler", files)
}
