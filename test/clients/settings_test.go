package clients

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func (s *sdk) wrongSecret(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: s.p.RootKey.AccessKeyID, SecretAccessKey: "not the secret"}, nil
}

type policy struct {
	Version   string
	Statement []struct {
		Sid, Effect, Action, Resource string
		Principal                     any
		Condition                     map[string]map[string]string
	}
}

func policies(t *testing.T, s *sdk) {
	name := aws.String("guarded")
	arn := *s.create(t, *name, nil).FunctionArn
	_, err := s.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: name})
	typed[*types.ResourceNotFoundException](t, err)
	added, err := s.AddPermission(t.Context(), &lambda.AddPermissionInput{
		FunctionName: name, StatementId: aws.String("bucket"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("s3.amazonaws.com"),
		SourceArn: aws.String("arn:aws:s3:::pictures"), SourceAccount: aws.String("000000000000"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid([]byte(*added.Statement)) || !strings.Contains(*added.Statement, `"bucket"`) {
		t.Errorf("the statement is %s", *added.Statement)
	}
	got, err := s.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: name})
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	decode(t, []byte(*got.Policy), &p)
	if len(p.Statement) != 1 || p.Statement[0].Resource != arn || p.Statement[0].Effect != "Allow" ||
		p.Statement[0].Condition["ArnLike"]["AWS:SourceArn"] != "arn:aws:s3:::pictures" || p.Statement[0].Condition["StringEquals"]["AWS:SourceAccount"] != "000000000000" {
		t.Errorf("the policy is %s", *got.Policy)
	}
	again := &lambda.AddPermissionInput{
		FunctionName: name, StatementId: aws.String("bucket"), Action: aws.String("lambda:*"), Principal: aws.String("*"),
	}
	_, err = s.AddPermission(t.Context(), again)
	typed[*types.ResourceConflictException](t, err, "The statement id (bucket) provided already exists. Please provide a new statement id, or remove the existing statement.")
	again.StatementId, again.RevisionId = aws.String("other"), aws.String("3f8c8b8a-0000-4000-8000-000000000000")
	_, err = s.AddPermission(t.Context(), again)
	typed[*types.PreconditionFailedException](t, err)
	_, err = s.RemovePermission(t.Context(), &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("other")})
	typed[*types.ResourceNotFoundException](t, err, "Statement other is not found in resource policy.")
	if _, err := s.RemovePermission(t.Context(), &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("bucket"), RevisionId: got.RevisionId}); err != nil {
		t.Error(err)
	}
	_, err = s.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: name})
	typed[*types.ResourceNotFoundException](t, err)
}

func tags(t *testing.T, s *sdk) {
	arn := s.create(t, "tagged", nil, func(in *lambda.CreateFunctionInput) { in.Tags = map[string]string{"a": "1"} }).FunctionArn
	if _, err := s.TagResource(t.Context(), &lambda.TagResourceInput{Resource: arn, Tags: map[string]string{"b c": "ö", "a": "2", "d": ""}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UntagResource(t.Context(), &lambda.UntagResourceInput{Resource: arn, TagKeys: []string{"d", "none"}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.ListTags(t.Context(), &lambda.ListTagsInput{Resource: arn})
	if err != nil || len(got.Tags) != 2 || got.Tags["a"] != "2" || got.Tags["b c"] != "ö" {
		t.Errorf("tags are %v: %v", got.Tags, err)
	}
	_, err = s.TagResource(t.Context(), &lambda.TagResourceInput{Resource: arn, Tags: map[string]string{"aws:mine": "x"}})
	apiError(t, err, "InvalidParameterValueException", "aws:mine")
	_, err = s.ListTags(t.Context(), &lambda.ListTagsInput{Resource: aws.String(*arn + "-none")})
	typed[*types.ResourceNotFoundException](t, err, "Function not found: "+*arn+"-none")
}

// urls are called through the public door, by anyone and by who signs.
func urls(t *testing.T, s *sdk) {
	name := aws.String("opened")
	s.create(t, *name, nil)
	made, err := s.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{FunctionName: name, AuthType: types.FunctionUrlAuthTypeNone})
	if err != nil {
		t.Fatal(err)
	}
	client := door(t, s.p)
	send := func(sign bool, secret string) (int, string) {
		t.Helper()
		body := `{"hello": "world"}`
		req, err := http.NewRequestWithContext(t.Context(), "POST", *made.FunctionUrl+"a%20b/c?q=1&q=2&r=%C3%B6", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if sign {
			sum := sha256.Sum256([]byte(body))
			key := aws.Credentials{AccessKeyID: s.p.RootKey.AccessKeyID, SecretAccessKey: secret}
			if err := v4.NewSigner().SignHTTP(t.Context(), key, req, hex.EncodeToString(sum[:]), "lambda", s.p.Region, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(answer)
	}
	status, answer := send(false, "")
	var seen struct {
		Event struct {
			Version, RawPath, RawQueryString, Body string
			RequestContext                         struct {
				HTTP       struct{ Method string }
				Authorizer struct {
					IAM struct{ AccountID, AccessKey string }
				}
			}
		}
	}
	if decode(t, []byte(answer), &seen); status != 200 || seen.Event.Version != "2.0" || seen.Event.RawPath != "/a%20b/c" && seen.Event.RawPath != "/a b/c" ||
		seen.Event.RawQueryString != "q=1&q=2&r=%C3%B6" || seen.Event.Body != `{"hello": "world"}` || seen.Event.RequestContext.HTTP.Method != "POST" {
		t.Errorf("through the URL came %d %s", status, answer)
	}
	changed, err := s.UpdateFunctionUrlConfig(t.Context(), &lambda.UpdateFunctionUrlConfigInput{
		FunctionName: name, AuthType: types.FunctionUrlAuthTypeAwsIam,
		Cors: &types.Cors{AllowOrigins: []string{"https://example.com"}, AllowMethods: []string{"GET"}, MaxAge: aws.Int32(60)},
	})
	if err != nil || changed.AuthType != "AWS_IAM" || *changed.FunctionUrl != *made.FunctionUrl {
		t.Fatalf("%+v %v", changed, err)
	}
	if status, answer = send(false, ""); status != http.StatusForbidden || !strings.Contains(answer, `"Message":"Forbidden`) {
		t.Errorf("without a signature the answer is %d %s", status, answer)
	}
	if status, answer = send(true, "not the secret"); status != http.StatusForbidden {
		t.Errorf("with a wrong signature the answer is %d %s", status, answer)
	}
	if status, answer = send(true, s.p.RootKey.SecretAccessKey); status != 200 {
		t.Fatalf("with a signature the answer is %d %s", status, answer)
	}
	if decode(t, []byte(answer), &seen); seen.Event.RequestContext.Authorizer.IAM.AccountID != s.p.Account || seen.Event.RequestContext.Authorizer.IAM.AccessKey != s.p.RootKey.AccessKeyID {
		t.Errorf("who signed is not told: %s", answer)
	}
	got, err := s.GetFunctionUrlConfig(t.Context(), &lambda.GetFunctionUrlConfigInput{FunctionName: name})
	if err != nil || got.AuthType != "AWS_IAM" || got.InvokeMode != "BUFFERED" || got.Cors == nil || !slices.Equal(got.Cors.AllowOrigins, []string{"https://example.com"}) || *got.Cors.MaxAge != 60 {
		t.Errorf("%+v %v", got, err)
	}
	_, err = s.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{FunctionName: name, AuthType: types.FunctionUrlAuthTypeNone})
	typed[*types.ResourceConflictException](t, err, "FunctionUrlConfig exists for this Lambda function")
	if _, err := s.DeleteFunctionUrlConfig(t.Context(), &lambda.DeleteFunctionUrlConfigInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	if status, answer = send(false, ""); status != http.StatusNotFound {
		t.Errorf("a deleted URL answers %d %s", status, answer)
	}
	_, err = s.GetFunctionUrlConfig(t.Context(), &lambda.GetFunctionUrlConfigInput{FunctionName: name})
	typed[*types.ResourceNotFoundException](t, err, "The resource you requested does not exist.")
}

// urlLists: a function and each of its aliases may have a URL.
func urlLists(t *testing.T, s *sdk) {
	name := aws.String("many-doors")
	s.create(t, *name, nil, func(in *lambda.CreateFunctionInput) { in.Publish = true })
	qualifiers := []*string{nil, aws.String("blue"), aws.String("green")}
	for _, q := range qualifiers {
		if q != nil {
			if _, err := s.CreateAlias(t.Context(), &lambda.CreateAliasInput{FunctionName: name, Name: q, FunctionVersion: aws.String("1")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{FunctionName: name, Qualifier: q, AuthType: types.FunctionUrlAuthTypeNone}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{}
	for p := lambda.NewListFunctionUrlConfigsPaginator(s, &lambda.ListFunctionUrlConfigsInput{FunctionName: name, MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.FunctionUrlConfigs {
			seen[*u.FunctionUrl] = *u.FunctionArn
		}
	}
	if len(seen) != len(qualifiers) {
		t.Errorf("three URLs in pages of two: %v", seen)
	}
	for url, arn := range seen {
		resp, err := door(t, s.p).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s of %s answers %s", url, arn, resp.Status)
		}
	}
	_, err := s.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{FunctionName: name, Qualifier: aws.String("none"), AuthType: types.FunctionUrlAuthTypeNone})
	typed[*types.ResourceNotFoundException](t, err)
	_, err = s.CreateFunctionUrlConfig(t.Context(), &lambda.CreateFunctionUrlConfigInput{FunctionName: name, Qualifier: aws.String("1"), AuthType: types.FunctionUrlAuthTypeNone})
	apiError(t, err, "ValidationException", "1 validation error detected: Value '1' at 'qualifier' failed to satisfy constraint")
}

func concurrency(t *testing.T, s *sdk) {
	name := aws.String("reserved")
	s.create(t, *name, nil)
	put, err := s.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(5)})
	if err != nil || *put.ReservedConcurrentExecutions != 5 {
		t.Fatalf("%+v %v", put, err)
	}
	got, err := s.GetFunctionConcurrency(t.Context(), &lambda.GetFunctionConcurrencyInput{FunctionName: name})
	if err != nil || aws.ToInt32(got.ReservedConcurrentExecutions) != 5 {
		t.Errorf("%+v %v", got, err)
	}
	f, err := s.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: name})
	if err != nil || f.Concurrency == nil || *f.Concurrency.ReservedConcurrentExecutions != 5 {
		t.Errorf("GetFunction does not tell of it: %+v %v", f.Concurrency, err)
	}
	_, err = s.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(901)})
	typed[*types.InvalidParameterValueException](t, err, "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")
	if _, err := s.DeleteFunctionConcurrency(t.Context(), &lambda.DeleteFunctionConcurrencyInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	got, err = s.GetFunctionConcurrency(t.Context(), &lambda.GetFunctionConcurrencyInput{FunctionName: name})
	if err != nil || got.ReservedConcurrentExecutions != nil {
		t.Errorf("after it was given back: %+v %v", got, err)
	}
}

func account(t *testing.T, s *sdk) {
	s.create(t, "counted", nil)
	got, err := s.GetAccountSettings(t.Context(), &lambda.GetAccountSettingsInput{})
	if err != nil {
		t.Fatal(err)
	}
	l, u := got.AccountLimit, got.AccountUsage
	if l.ConcurrentExecutions != 1000 || l.CodeSizeZipped != 52428800 || l.CodeSizeUnzipped != 262144000 || l.TotalCodeSize != 80530636800 ||
		aws.ToInt32(l.UnreservedConcurrentExecutions) > 1000 || u.FunctionCount < 1 || u.TotalCodeSize < 1 {
		t.Errorf("limits %+v, usage %+v", l, u)
	}
}
