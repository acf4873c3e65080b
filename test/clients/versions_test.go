package clients

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// mark makes the probe tell its marker, and publishes that as a version.
func (s *sdk) mark(t *testing.T, name, marker string) (version string) {
	t.Helper()
	if _, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &name, Environment: &types.Environment{Variables: map[string]string{"MARKER": marker}},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := s.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: &name, Description: &marker})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Version
}

// revisions: nobody overwrites what they have not seen.
func revisions(t *testing.T, s *sdk) {
	name := aws.String("revised")
	first := s.create(t, *name, nil).RevisionId
	second, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, RevisionId: first, Timeout: aws.Int32(9)})
	if err != nil {
		t.Fatal(err)
	}
	stale := func(err error) {
		t.Helper()
		typed[*types.PreconditionFailedException](t, err, "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	}
	_, err = s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: name, RevisionId: first, Timeout: aws.Int32(10)})
	stale(err)
	_, err = s.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, RevisionId: first, ZipFile: zipped(t, map[string]string{"index.js": "1"})})
	stale(err)
	_, err = s.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name, RevisionId: first})
	stale(err)
	now, err := s.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	if *now.Timeout != 9 || *now.RevisionId != *second.RevisionId {
		t.Errorf("what was refused has changed something: timeout %d, revision %s, want 9 and %s", *now.Timeout, *now.RevisionId, *second.RevisionId)
	}
	dry, err := s.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{
		FunctionName: name, RevisionId: now.RevisionId, DryRun: true, ZipFile: zipped(t, map[string]string{"index.js": "2"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name}); err != nil || *got.CodeSha256 != *now.CodeSha256 || *dry.CodeSha256 == *now.CodeSha256 {
		t.Errorf("a dry run answers with code %s and leaves %s, there was %s: %v", *dry.CodeSha256, *got.CodeSha256, *now.CodeSha256, err)
	}
}

func versionsAndAliases(t *testing.T, s *sdk) {
	name := aws.String("numbered")
	made := s.create(t, *name, nil, func(in *lambda.CreateFunctionInput) {
		in.Publish = true
		in.Environment = &types.Environment{Variables: map[string]string{"MARKER": "one"}}
	})
	if *made.Version != "1" || !strings.HasSuffix(*made.FunctionArn, ":numbered:1") {
		t.Errorf("a function that is published at once is version %s, %s", *made.Version, *made.FunctionArn)
	}
	again, err := s.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name})
	if err != nil || *again.Version != "1" {
		t.Errorf("publishing what has not changed makes version %s: %v", aws.ToString(again.Version), err)
	}
	if v := s.mark(t, *name, "two"); v != "2" {
		t.Fatalf("the second version is %s", v)
	}
	_, err = s.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: name, CodeSha256: aws.String("AAAA")})
	typed[*types.InvalidParameterValueException](t, err, "CodeSHA256 (AAAA) is different from current CodeSHA256 in $LATEST ("+*made.CodeSha256+")")

	live, err := s.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1"), Description: aws.String("d")})
	if err != nil {
		t.Fatal(err)
	}
	for qualified, want := range map[string]string{"numbered": "two", "numbered:1": "one", "numbered:2": "two", "numbered:live": "one", *live.AliasArn: "one"} {
		if a := s.ask(t, qualified); a.Marker != want || !strings.HasSuffix(qualified, strings.TrimPrefix(a.ARN, "arn:aws:lambda:us-east-1:000000000000:function:")) {
			t.Errorf("%s runs %s as %s, want %s", qualified, a.Marker, a.ARN, want)
		}
	}
	moved, err := s.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("2"), RevisionId: live.RevisionId})
	if err != nil || *moved.FunctionVersion != "2" || *moved.Description != "d" {
		t.Fatalf("%+v %v", moved, err)
	}
	if a := s.ask(t, "numbered:live"); a.Version != "2" {
		t.Errorf("an alias that was moved to 2 runs %s", a.Version)
	}
	_, err = s.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1"), RevisionId: live.RevisionId})
	typed[*types.PreconditionFailedException](t, err)
	if _, err = s.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("next"), FunctionVersion: aws.String("$LATEST")}); err != nil {
		t.Fatal(err)
	}
	got, err := s.GetAlias(t.Context(), &lambda.GetAliasInput{FunctionName: name, Name: aws.String("next")})
	if err != nil || *got.FunctionVersion != "$LATEST" {
		t.Errorf("%+v %v", got, err)
	}
	of2, err := s.ListAliases(t.Context(), &lambda.ListAliasesInput{FunctionName: name, FunctionVersion: aws.String("2")})
	if err != nil || len(of2.Aliases) != 1 || *of2.Aliases[0].Name != "live" {
		t.Errorf("aliases of version 2: %+v %v", of2, err)
	}
	_, err = s.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("2")})
	typed[*types.ResourceConflictException](t, err, "Unable to delete version because the following aliases reference it: [live]")
	if _, err := s.DeleteAlias(t.Context(), &lambda.DeleteAliasInput{FunctionName: name, Name: aws.String("live")}); err != nil {
		t.Fatal(err)
	}
	if _, err = s.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: name, Qualifier: aws.String("2")}); err != nil {
		t.Error(err)
	}
	_, err = s.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: name, Qualifier: aws.String("live")})
	typed[*types.ResourceNotFoundException](t, err, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:numbered:live")
	if v := s.mark(t, *name, "three"); v != "3" {
		t.Errorf("after 2 was deleted the next version is %s: numbers are not given twice", v)
	}
}

// weights: all, nothing, and between.
func weights(t *testing.T, s *sdk) {
	name, alias := aws.String("weighted"), aws.String("split")
	s.create(t, *name, nil)
	s.mark(t, *name, "one")
	s.mark(t, *name, "two")
	route := func(weight float64) *types.AliasRoutingConfiguration {
		return &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"2": weight}}
	}
	made, err := s.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: alias, FunctionVersion: aws.String("1"), RoutingConfig: route(1)})
	if err != nil || made.RoutingConfig == nil || made.RoutingConfig.AdditionalVersionWeights["2"] != 1 {
		t.Fatalf("%+v %v", made, err)
	}
	count := func(n int) map[string]int {
		ran := map[string]int{}
		for range n {
			ran[s.ask(t, "weighted:split").Version]++
		}
		return ran
	}
	if ran := count(10); ran["2"] != 10 {
		t.Errorf("with weight 1 of version 2: %v", ran)
	}
	for _, weight := range []float64{0, 0.5} {
		if _, err := s.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: name, Name: alias, RoutingConfig: route(weight)}); err != nil {
			t.Fatal(err)
		}
		if ran := count(80); weight == 0 && ran["1"] != 80 || weight == 0.5 && (ran["1"] < 10 || ran["2"] < 10) { // by chance once in 10^11 runs
			t.Errorf("with weight %v of version 2: %v", weight, ran)
		}
	}
	cleared, err := s.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{FunctionName: name, Name: alias, RoutingConfig: &types.AliasRoutingConfiguration{}})
	if err != nil || cleared.RoutingConfig != nil && len(cleared.RoutingConfig.AdditionalVersionWeights) > 0 {
		t.Errorf("an empty routing leaves %+v: %v", cleared, err)
	}
	for _, tc := range []struct {
		version string
		weights map[string]float64
		code    string
		text    string
	}{
		{"1", map[string]float64{"2": 1.5}, "ValidationException", "1 validation error detected"},
		{"1", map[string]float64{"1": 0.5}, "InvalidParameterValueException", "Function version 1 is already included in routing configuration."},
		{"$LATEST", map[string]float64{"2": 0.5}, "InvalidParameterValueException", "$LATEST is not supported for an alias pointing to more than 1 version"},
		{"1", map[string]float64{"9": 0.5}, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:weighted:9"},
	} {
		_, err := s.UpdateAlias(t.Context(), &lambda.UpdateAliasInput{
			FunctionName: name, Name: alias, FunctionVersion: &tc.version, RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: tc.weights},
		})
		apiError(t, err, tc.code, tc.text)
	}
}

// lists come in pages, in order, each item once.
func lists(t *testing.T, s *sdk) {
	name := aws.String("listed-0")
	s.create(t, *name, nil)
	for i := 1; i < 5; i++ {
		s.create(t, fmt.Sprintf("listed-%d", i), nil)
	}
	var want []string
	for i := range 4 {
		version := s.mark(t, *name, fmt.Sprint(i))
		want = append(want, version)
		alias := fmt.Sprintf("a%d", i)
		if _, err := s.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: &alias, FunctionVersion: &version}); err != nil {
			t.Fatal(err)
		}
	}
	var functions []string
	for p := lambda.NewListFunctionsPaginator(s, &lambda.ListFunctionsInput{MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Functions) > 2 {
			t.Errorf("a page of two has %d functions", len(page.Functions))
		}
		for _, f := range page.Functions { // other tests make functions too
			if strings.HasPrefix(*f.FunctionName, "listed-") {
				functions = append(functions, *f.FunctionName)
			}
		}
	}
	if want := []string{"listed-0", "listed-1", "listed-2", "listed-3", "listed-4"}; !slices.Equal(functions, want) {
		t.Errorf("functions in pages of two: %v", functions)
	}
	var versions []string
	for p := lambda.NewListVersionsByFunctionPaginator(s, &lambda.ListVersionsByFunctionInput{FunctionName: name, MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			versions = append(versions, *v.Version)
		}
	}
	if want := append([]string{"$LATEST"}, want...); !slices.Equal(versions, want) {
		t.Errorf("versions in pages of two: %v, want %v", versions, want)
	}
	var aliases []string
	for p := lambda.NewListAliasesPaginator(s, &lambda.ListAliasesInput{FunctionName: name, MaxItems: aws.Int32(3)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Aliases {
			aliases = append(aliases, *a.Name)
		}
	}
	if want := []string{"a0", "a1", "a2", "a3"}; !slices.Equal(aliases, want) {
		t.Errorf("aliases in pages of three: %v", aliases)
	}
	everything, err := s.ListFunctions(t.Context(), &lambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range everything.Functions {
		if *f.FunctionName == *name {
			all = append(all, (*f.FunctionArn)[strings.LastIndex(*f.FunctionArn, ":")+1:])
		}
	}
	if want := append([]string{"$LATEST"}, want...); !slices.Equal(all, want) {
		t.Errorf("all versions of all functions have of one: %v, want %v", all, want)
	}
	_, err = s.ListFunctions(t.Context(), &lambda.ListFunctionsInput{Marker: aws.String("no such marker")})
	typed[*types.InvalidParameterValueException](t, err, "Marker")
}

// names: every form in which AWS takes a function's name.
func names(t *testing.T, s *sdk) {
	arn := *s.create(t, "called-by", nil, func(in *lambda.CreateFunctionInput) { in.Publish = true }).FunctionArn
	arn = strings.TrimSuffix(arn, ":1")
	for _, name := range []string{"called-by", "000000000000:function:called-by", "function:called-by", "us-east-1:000000000000:function:called-by", arn} {
		for qualifier, version := range map[string]string{"": "$LATEST", ":$LATEST": "$LATEST", ":1": "1"} {
			got, err := s.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(name + qualifier)})
			if err != nil {
				t.Errorf("%s: %v", name+qualifier, err)
			} else if *got.Version != version || *got.FunctionName != "called-by" || *got.FunctionArn != arn+qualifier {
				t.Errorf("%s is %s version %s, %s", name+qualifier, *got.FunctionName, *got.Version, *got.FunctionArn)
			}
			if a := s.ask(t, name+qualifier); a.Version != version || a.ARN != arn+qualifier {
				t.Errorf("%s runs version %s as %s", name+qualifier, a.Version, a.ARN)
			}
		}
	}
	_, err := s.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(arn + ":1"), Qualifier: aws.String("2")})
	typed[*types.InvalidParameterValueException](t, err, "The derived qualifier from the function name does not match the specified qualifier.")
	_, err = s.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("arn:aws:lambda:us-east-1:111111111111:function:called-by")})
	apiError(t, err, "AccessDeniedException", "111111111111")
}
