package clients

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// layer publishes a layer version.
func (s *sdk) layer(t *testing.T, name string, files map[string]string, runtimes ...types.Runtime) *lambda.PublishLayerVersionOutput {
	t.Helper()
	out, err := s.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: zipped(t, files)}, CompatibleRuntimes: runtimes,
		Description: aws.String("of " + name), LicenseInfo: aws.String("MIT"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// layers are where each language looks for them.
func layers(t *testing.T, s *sdk) {
	tools := s.layer(t, "tools", map[string]string{
		"nodejs/node_modules/greet/index.js": `module.exports = () => "greet from a layer"`,
		"python/greet.py":                    `word = "greet from a layer"`,
		"nodejs/node_modules/which.js":       `module.exports = "first"`,
		"python/which.py":                    `word = "first"`,
	}, "nodejs22.x", "python3.12")
	over := s.layer(t, "over", map[string]string{
		"nodejs/node_modules/only/index.js": `module.exports = "only"`,
		"python/only.py":                    `word = "only"`,
		"nodejs/node_modules/which.js":      `module.exports = "second"`,
		"python/which.py":                   `word = "second"`,
	})
	files := map[string]string{
		"index.js": `exports.handler = async () => [require("greet")(), require("only"), require("which")];`,
		"app.py": `import greet, only, which
def handler(event, context):
    return [greet.word, only.word, which.word]
`,
	}
	both := []string{*tools.LayerVersionArn, *over.LayerVersionArn}
	want := `["greet from a layer","only","second"]`
	use := func(in *lambda.CreateFunctionInput) { in.Layers = both }
	made := s.create(t, "layered-node", files, use)
	if len(made.Layers) != 2 || *made.Layers[0].Arn != both[0] || made.Layers[0].CodeSize != tools.Content.CodeSize {
		t.Errorf("the function's layers are %+v", made.Layers)
	}
	s.create(t, "layered-python", files, use, python)
	for _, name := range []string{"layered-node", "layered-python"} {
		if out := s.invoke(t, name, "{}"); strings.ReplaceAll(string(out.Payload), `", "`, `","`) != want {
			t.Errorf("%s answers %s, want %s", name, out.Payload, want)
		}
	}
	// What a function uses stays, though its layer is gone.
	if _, err := s.DeleteLayerVersion(t.Context(), &lambda.DeleteLayerVersionInput{LayerName: aws.String("over"), VersionNumber: aws.Int64(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("layered-node"), Timeout: aws.Int32(21)}); err != nil {
		t.Fatal(err)
	}
	if out := s.invoke(t, "layered-node", "{}"); string(out.Payload) != want {
		t.Errorf("after its layer was deleted a function answers %s", out.Payload)
	}
	_, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("layered-node"), Layers: both[1:]})
	typed[*types.InvalidParameterValueException](t, err, "Layer version "+both[1]+" does not exist.")
	none, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("layered-node"), Layers: []string{}})
	if err != nil || len(none.Layers) != 0 {
		t.Fatalf("an empty list leaves %+v: %v", none, err)
	}
	if out := s.invoke(t, "layered-node", "{}"); !strings.Contains(string(out.Payload), "Cannot find module 'greet'") {
		t.Errorf("without its layers the function answers %s", out.Payload)
	}
}

func layerLists(t *testing.T, s *sdk) {
	files := map[string]string{"a": "b"}
	first := s.layer(t, "book", files, "nodejs22.x")
	s.layer(t, "book", map[string]string{"a": "c"}, "python3.12")
	s.layer(t, "book", map[string]string{"a": "d"}, "python3.12")
	s.layer(t, "atlas", files, "python3.12")
	if first.Version != 1 || *first.LayerVersionArn != *first.LayerArn+":1" {
		t.Errorf("the first version is %d, %s", first.Version, *first.LayerVersionArn)
	}
	got, err := s.GetLayerVersion(t.Context(), &lambda.GetLayerVersionInput{LayerName: aws.String("book"), VersionNumber: aws.Int64(1)})
	if err != nil || *got.Description != "of book" || *got.LicenseInfo != "MIT" || !slices.Equal(got.CompatibleRuntimes, []types.Runtime{"nodejs22.x"}) {
		t.Fatalf("%+v %v", got, err)
	}
	if content := fetch(t, *got.Content.Location); !bytes.Equal(content, zipped(t, files)) {
		t.Errorf("the content is %d other bytes", len(content))
	}
	byARN, err := s.GetLayerVersionByArn(t.Context(), &lambda.GetLayerVersionByArnInput{Arn: first.LayerVersionArn})
	if err != nil || *byARN.Content.CodeSha256 != *first.Content.CodeSha256 {
		t.Errorf("%+v %v", byARN, err)
	}
	var versions []int64
	for p := lambda.NewListLayerVersionsPaginator(s, &lambda.ListLayerVersionsInput{LayerName: aws.String("book"), MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.LayerVersions {
			versions = append(versions, v.Version)
		}
	}
	if !slices.Equal(versions, []int64{3, 2, 1}) {
		t.Errorf("versions in pages of two: %v, want the newest first", versions)
	}
	latest := map[string]int64{}
	for p := lambda.NewListLayersPaginator(s, &lambda.ListLayersInput{MaxItems: aws.Int32(1), CompatibleRuntime: "python3.12"}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Layers {
			latest[*l.LayerName] = l.LatestMatchingVersion.Version
		}
	}
	if latest["book"] != 3 || latest["atlas"] != 1 {
		t.Errorf("layers for Python, in pages of one: %v", latest)
	}
	if _, err := s.DeleteLayerVersion(t.Context(), &lambda.DeleteLayerVersionInput{LayerName: aws.String("book"), VersionNumber: aws.Int64(3)}); err != nil {
		t.Fatal(err)
	}
	_, err = s.GetLayerVersion(t.Context(), &lambda.GetLayerVersionInput{LayerName: aws.String("book"), VersionNumber: aws.Int64(3)})
	typed[*types.ResourceNotFoundException](t, err)
	if next := s.layer(t, "book", files); next.Version != 4 {
		t.Errorf("after 3 was deleted the next version is %d: numbers are not given twice", next.Version)
	}
}

func layerPolicies(t *testing.T, s *sdk) {
	s.layer(t, "lent", map[string]string{"a": "b"})
	name, version := aws.String("lent"), aws.Int64(1)
	grant := &lambda.AddLayerVersionPermissionInput{
		LayerName: name, VersionNumber: version, StatementId: aws.String("all"), Action: aws.String("lambda:GetLayerVersion"), Principal: aws.String("*"),
	}
	added, err := s.AddLayerVersionPermission(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.AddLayerVersionPermission(t.Context(), grant)
	typed[*types.ResourceConflictException](t, err, "The statement id (all) provided already exists.")
	got, err := s.GetLayerVersionPolicy(t.Context(), &lambda.GetLayerVersionPolicyInput{LayerName: name, VersionNumber: version})
	if err != nil || *got.RevisionId != *added.RevisionId {
		t.Fatalf("%+v %v", got, err)
	}
	var p policy
	if decode(t, []byte(*got.Policy), &p); len(p.Statement) != 1 || p.Statement[0].Sid != "all" || !strings.HasSuffix(p.Statement[0].Resource, ":layer:lent:1") {
		t.Errorf("the policy is %s", *got.Policy)
	}
	remove := &lambda.RemoveLayerVersionPermissionInput{LayerName: name, VersionNumber: version, StatementId: aws.String("all"), RevisionId: aws.String("old")}
	_, err = s.RemoveLayerVersionPermission(t.Context(), remove)
	typed[*types.PreconditionFailedException](t, err)
	remove.RevisionId = got.RevisionId
	if _, err := s.RemoveLayerVersionPermission(t.Context(), remove); err != nil {
		t.Error(err)
	}
	_, err = s.GetLayerVersionPolicy(t.Context(), &lambda.GetLayerVersionPolicyInput{LayerName: name, VersionNumber: version})
	typed[*types.ResourceNotFoundException](t, err)
}
