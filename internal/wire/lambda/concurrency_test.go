package lambda_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/lambda"
)

func TestProvisionedConcurrency(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name, live := aws.String("hello"), aws.String("live")
	p.create("hello")
	must(p.PublishVersion(ctx, &sdk.PublishVersionInput{FunctionName: name}))(t)
	must(p.CreateAlias(ctx, &sdk.CreateAliasInput{FunctionName: name, Name: live, FunctionVersion: aws.String("1")}))(t)
	get := func(qualifier *string) (*sdk.GetProvisionedConcurrencyConfigOutput, error) {
		return p.GetProvisionedConcurrencyConfig(ctx, &sdk.GetProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: qualifier})
	}
	put := func(qualifier string, count int32) (*sdk.PutProvisionedConcurrencyConfigOutput, error) {
		return p.PutProvisionedConcurrencyConfig(ctx, &sdk.PutProvisionedConcurrencyConfigInput{
			FunctionName: name, Qualifier: &qualifier, ProvisionedConcurrentExecutions: &count,
		})
	}
	wantError(t, ignore(get(live)), 404, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")
	wantError(t, ignore(put("live", 0)), 400, "ValidationException", "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1")
	wantError(t, ignore(put("$LATEST", 1)), 400, "InvalidParameterValueException", "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")

	p.provisioning = lambda.Provisioning{Requested: 7, Allocated: 7, Available: 3, Status: "READY"}
	made := must(put("live", 5))(t)
	if *made.RequestedProvisionedConcurrentExecutions != 5 || *made.AllocatedProvisionedConcurrentExecutions != 0 || *made.AvailableProvisionedConcurrentExecutions != 0 ||
		made.Status != types.ProvisionedConcurrencyStatusEnumInProgress || made.StatusReason != nil {
		t.Errorf("put answers %+v", made)
	}
	wantError(t, ignore(put("1", 1)), 409, "ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias")
	got := must(get(live))(t)
	if *got.RequestedProvisionedConcurrentExecutions != 5 || *got.AllocatedProvisionedConcurrentExecutions != 7 || *got.AvailableProvisionedConcurrentExecutions != 3 ||
		got.Status != types.ProvisionedConcurrencyStatusEnumReady || *got.LastModified != *made.LastModified {
		t.Errorf("get answers %+v", got)
	}
	p.provisioning = lambda.Provisioning{Requested: 7, Status: "FAILED", Reason: "the handler is not there"}
	if got := must(get(live))(t); got.Status != types.ProvisionedConcurrencyStatusEnumFailed || *got.StatusReason != "the handler is not there" {
		t.Errorf("get answers %+v", got)
	}
	listed := must(p.ListProvisionedConcurrencyConfigs(ctx, &sdk.ListProvisionedConcurrencyConfigsInput{FunctionName: name}))(t).ProvisionedConcurrencyConfigs
	if len(listed) != 1 || *listed[0].FunctionArn != arn+"hello:live" || *listed[0].RequestedProvisionedConcurrentExecutions != 5 || listed[0].Status != "FAILED" {
		t.Errorf("listed %+v", listed)
	}
	if ref := p.asked[len(p.asked)-1]; ref.Name != "lambda:ListProvisionedConcurrencyConfigs" || ref.Resource != arn+"hello" {
		t.Errorf("authorized as %+v", ref)
	}
	// With a schedule, what is asked for is what holds now.
	ref := pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: "hello", Qualifier: "live"}
	must(p.invoker.registry.PutProvisioned(ctx, ref, 1, []pinfold.ScheduledCount{{Cron: "0 8 * * *", Count: 7}}))(t)
	if got := must(get(live))(t); *got.RequestedProvisionedConcurrentExecutions != 7 {
		t.Errorf("a schedule asks for %+v", got)
	}
	remove := &sdk.DeleteProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: live}
	must(p.DeleteProvisionedConcurrencyConfig(ctx, remove))(t)
	must(p.DeleteProvisionedConcurrencyConfig(ctx, remove))(t)
	wantError(t, ignore(get(live)), 404, "ProvisionedConcurrencyConfigNotFoundException", "")
}

func TestRecursionConfig(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	name := aws.String("hello")
	p.create("hello")
	want := func(loop types.RecursiveLoop) {
		t.Helper()
		if got := must(p.GetFunctionRecursionConfig(ctx, &sdk.GetFunctionRecursionConfigInput{FunctionName: name}))(t); got.RecursiveLoop != loop {
			t.Errorf("the configuration is %s, want %s", got.RecursiveLoop, loop)
		}
	}
	want("Terminate")
	for _, loop := range []types.RecursiveLoop{"Allow", "Terminate"} {
		put := must(p.PutFunctionRecursionConfig(ctx, &sdk.PutFunctionRecursionConfigInput{FunctionName: name, RecursiveLoop: loop}))(t)
		if put.RecursiveLoop != loop {
			t.Errorf("put answers %s", put.RecursiveLoop)
		}
		want(loop)
	}
	err := ignore(p.PutFunctionRecursionConfig(ctx, &sdk.PutFunctionRecursionConfigInput{FunctionName: name, RecursiveLoop: "Sometimes"}))
	wantError(t, err, 400, "ValidationException", "Value 'Sometimes' at 'recursiveLoop' failed to satisfy constraint: Member must satisfy enum value set: [Allow, Terminate]")
	err = ignore(p.GetFunctionRecursionConfig(ctx, &sdk.GetFunctionRecursionConfigInput{FunctionName: aws.String("none")}))
	wantError(t, err, 404, "ResourceNotFoundException", "Function not found: "+arn+"none")
}

func TestInstanceConcurrency(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	provider := aws.String("arn:aws:lambda:us-east-1:123456789012:capacity-provider:mine")
	config := func(n *int32) *types.CapacityProviderConfig {
		return &types.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &types.LambdaManagedInstancesCapacityProviderConfig{
			CapacityProviderArn: provider, PerExecutionEnvironmentMaxConcurrency: n,
		}}
	}
	in := newFunction(t, "hello")
	in.CapacityProviderConfig = config(aws.Int32(64))
	must(p.CreateFunction(ctx, in))(t)
	want := func(n *int32) {
		t.Helper()
		got := must(p.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: in.FunctionName}))(t).CapacityProviderConfig
		if got == nil {
			t.Fatal("no configuration")
		}
		m := got.LambdaManagedInstancesCapacityProviderConfig
		if *m.CapacityProviderArn != *provider || aws.ToInt32(m.PerExecutionEnvironmentMaxConcurrency) != aws.ToInt32(n) {
			t.Errorf("shown %s with %v at a time", *m.CapacityProviderArn, m.PerExecutionEnvironmentMaxConcurrency)
		}
	}
	want(aws.Int32(64))
	must(p.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: in.FunctionName, MemorySize: aws.Int32(256)}))(t)
	want(aws.Int32(64))
	must(p.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: in.FunctionName, CapacityProviderConfig: config(nil)}))(t)
	want(nil)
	update := &sdk.UpdateFunctionConfigurationInput{FunctionName: in.FunctionName, CapacityProviderConfig: config(aws.Int32(1601))}
	wantError(t, ignore(p.UpdateFunctionConfiguration(ctx, update)), 400, "ValidationException", "Member must have value less than or equal to 1600")
	update.CapacityProviderConfig = config(nil)
	update.CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu = aws.Float64(4)
	wantError(t, ignore(p.UpdateFunctionConfiguration(ctx, update)), 400, "InvalidParameterValueException",
		"CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu is not served by Pinfold yet")
	if c := p.create("plain"); c.CapacityProviderConfig != nil {
		t.Errorf("a plain function shows %+v", c.CapacityProviderConfig)
	}
}
