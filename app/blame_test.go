package app

import (
	"errors"
	"testing"

	"pinfold.dev/pinfold"
)

func TestBlame(t *testing.T) {
	shared, alone, layer := pinfold.Package{SHA256: "aa"}, pinfold.Package{SHA256: "bb"}, pinfold.Package{SHA256: "cc"}
	a := &Application{
		Functions: []Function{
			{Key: "one", Code: shared, At: Position{File: "serverless.yml", Line: 6, Column: 3}},
			{Key: "two", Code: shared, At: Position{File: "serverless.yml", Line: 9, Column: 3}},
			{Key: "three", Code: alone, Source: &Source{Artifact: "/elsewhere/three.zip"}, At: Position{File: "serverless.yml", Line: 12}},
		},
		Layers: []Layer{{Key: "common", Code: layer}},
	}
	refused := pinfold.Errorf(pinfold.TooLarge, "too large").WithReason("RequestEntityTooLargeException")
	for _, test := range []struct {
		pkg  pinfold.Package
		err  error
		want string
	}{
		{shared, refused, "serverless.yml:6: the package of function one, function two: too large"},
		{alone, refused, "serverless.yml:12: the package of function three (three.zip): too large"},
		{layer, refused, "the package of layer common: too large"},
		{pinfold.Package{SHA256: "dd"}, refused, "too large"},
		{shared, pinfold.Errorf(pinfold.Unavailable, "nobody answers"), "nobody answers"},
	} {
		err := a.Blame(test.pkg, test.err)
		if err.Error() != test.want || !errors.Is(err, test.err) || pinfold.CodeOf(err) != pinfold.CodeOf(test.err) || pinfold.ReasonOf(err) != pinfold.ReasonOf(test.err) {
			t.Errorf("%q %s %s, want %q", err, pinfold.CodeOf(err), pinfold.ReasonOf(err), test.want)
		}
	}
	if err := a.Blame(shared, nil); err != nil {
		t.Error(err)
	}
}
