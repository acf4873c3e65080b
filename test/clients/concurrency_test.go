package clients

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// provisioned are instances of a version and of an alias, from asking for them
// to giving them back.
func provisioned(t *testing.T, s *sdk) {
	ctx := t.Context()
	name := aws.String("provisioned")
	const arn = "arn:aws:lambda:us-east-1:000000000000:function:provisioned"
	s.create(t, *name, nil, func(in *lambda.CreateFunctionInput) { in.Publish = true })
	if _, err := s.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	put := func(qualifier string, count int32) (*lambda.PutProvisionedConcurrencyConfigOutput, error) {
		return s.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: &qualifier, ProvisionedConcurrentExecutions: &count})
	}
	get := func(qualifier string) (*lambda.GetProvisionedConcurrencyConfigOutput, error) {
		return s.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: &qualifier})
	}
	_, err := get("live")
	typed[*types.ProvisionedConcurrencyConfigNotFoundException](t, err, "No Provisioned Concurrency Config found for this function")
	_, err = put("$LATEST", 1)
	typed[*types.InvalidParameterValueException](t, err, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	_, err = put("none", 1)
	typed[*types.ResourceNotFoundException](t, err, "Cannot find alias arn: "+arn+":none")
	_, err = put("live", 1001)
	typed[*types.InvalidParameterValueException](t, err, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].")
	made, err := put("live", 1)
	if err != nil {
		t.Fatal(err)
	}
	if *made.RequestedProvisionedConcurrentExecutions != 1 || made.Status != types.ProvisionedConcurrencyStatusEnumInProgress || *made.AllocatedProvisionedConcurrentExecutions != 0 {
		t.Errorf("asked for one: %+v", made)
	}
	_, err = put("1", 1)
	typed[*types.ResourceConflictException](t, err, "Version is pointed by a Provisioned Concurrency alias")
	if got, err := get("live"); err != nil || *got.RequestedProvisionedConcurrentExecutions != 1 || *got.LastModified != *made.LastModified || got.Status == types.ProvisionedConcurrencyStatusEnumFailed {
		t.Errorf("there is %+v, %v", got, err)
	}
	list, err := s.ListProvisionedConcurrencyConfigs(ctx, &lambda.ListProvisionedConcurrencyConfigsInput{FunctionName: name})
	if err != nil || len(list.ProvisionedConcurrencyConfigs) != 1 || *list.ProvisionedConcurrencyConfigs[0].FunctionArn != arn+":live" {
		t.Errorf("listed %+v, %v", list, err)
	}
	if ran := s.ask(t, *name+":live"); ran.Version != "1" {
		t.Errorf("version %s ran", ran.Version)
	}
	if _, err := s.DeleteProvisionedConcurrencyConfig(ctx, &lambda.DeleteProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: aws.String("live")}); err != nil {
		t.Error(err)
	}
	_, err = get("live")
	typed[*types.ProvisionedConcurrencyConfigNotFoundException](t, err)
	if ran := s.ask(t, *name+":live"); ran.Version != "1" {
		t.Errorf("without provisioned instances version %s ran", ran.Version)
	}
}

func recursion(t *testing.T, s *sdk) {
	ctx := t.Context()
	name := aws.String("recursive")
	s.create(t, *name, nil)
	for _, loop := range []types.RecursiveLoop{types.RecursiveLoopTerminate, types.RecursiveLoopAllow} {
		got, err := s.GetFunctionRecursionConfig(ctx, &lambda.GetFunctionRecursionConfigInput{FunctionName: name})
		if err != nil || got.RecursiveLoop != loop {
			t.Errorf("loops: %+v, %v; want %s", got, err, loop)
		}
		if _, err := s.PutFunctionRecursionConfig(ctx, &lambda.PutFunctionRecursionConfigInput{FunctionName: name, RecursiveLoop: types.RecursiveLoopAllow}); err != nil {
			t.Error(err)
		}
	}
}

// several: the one setting of managed instances that is followed.
func several(t *testing.T, s *sdk) {
	config := &types.LambdaManagedInstancesCapacityProviderConfig{
		CapacityProviderArn:                   aws.String("arn:aws:lambda:us-east-1:000000000000:capacity-provider:mine"),
		PerExecutionEnvironmentMaxConcurrency: aws.Int32(10),
	}
	made := s.create(t, "several", nil, func(in *lambda.CreateFunctionInput) {
		in.CapacityProviderConfig = &types.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: config}
	})
	got, err := s.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: made.FunctionName})
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Configuration.CapacityProviderConfig; c == nil || *c.LambdaManagedInstancesCapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency != 10 ||
		*c.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn != *config.CapacityProviderArn {
		t.Errorf("the configuration is %+v", c)
	}
	s.ask(t, "several")
	config.ExecutionEnvironmentMemoryGiBPerVCpu = aws.Float64(4)
	_, err = s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: made.FunctionName, CapacityProviderConfig: &types.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: config},
	})
	typed[*types.InvalidParameterValueException](t, err, "ExecutionEnvironmentMemoryGiBPerVCpu is not served by Pinfold yet")
}
