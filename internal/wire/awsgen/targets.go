package main

// target is a package that gets generated code, and what Pinfold serves there.
// Adding an operation to a service is adding its name here, running go generate,
// and writing the method that the compiler then asks for.
type target struct {
	model      string // name of the description
	dir        string // of the package, below the module
	pkg        string
	operations []string
	// open are shapes whose enum is not held against requests, each with the reason.
	open map[string]string
}

var targets = []target{
	{model: "lambda", dir: "internal/wire/lambda", pkg: "lambda", operations: []string{
		"AddLayerVersionPermission", "AddPermission", "CreateAlias", "CreateEventSourceMapping", "CreateFunction", "CreateFunctionUrlConfig",
		"DeleteAlias", "DeleteEventSourceMapping", "DeleteFunction", "DeleteFunctionConcurrency", "DeleteFunctionUrlConfig", "DeleteLayerVersion", "DeleteProvisionedConcurrencyConfig",
		"GetAccountSettings", "GetAlias", "GetEventSourceMapping", "GetFunction", "GetFunctionConcurrency", "GetFunctionConfiguration",
		"GetFunctionRecursionConfig", "GetFunctionUrlConfig", "GetLayerVersion", "GetLayerVersionByArn", "GetLayerVersionPolicy", "GetPolicy", "GetProvisionedConcurrencyConfig",
		"Invoke", "InvokeWithResponseStream", "ListAliases", "ListEventSourceMappings", "ListFunctionUrlConfigs", "ListFunctions", "ListLayerVersions", "ListLayers",
		"ListProvisionedConcurrencyConfigs", "ListTags", "ListVersionsByFunction", "PublishLayerVersion", "PublishVersion", "PutFunctionConcurrency",
		"PutFunctionRecursionConfig", "PutProvisionedConcurrencyConfig",
		"RemoveLayerVersionPermission", "RemovePermission", "TagResource", "UntagResource", "UpdateAlias", "UpdateEventSourceMapping",
		"UpdateFunctionCode", "UpdateFunctionConfiguration", "UpdateFunctionUrlConfig",
	}, open: map[string]string{
		"Runtime": "the registry knows which runtimes this machine has, among them newer ones than the description; AWS checks it apart from the shapes, too",
	}},
	{model: "logs", dir: "internal/wire/logs", pkg: "logs", operations: []string{
		"CreateLogGroup", "CreateLogStream", "DeleteLogGroup", "DeleteLogStream", "DeleteRetentionPolicy", "DescribeLogGroups", "DescribeLogStreams",
		"FilterLogEvents", "GetLogEvents", "ListTagsForResource", "ListTagsLogGroup", "PutLogEvents", "PutRetentionPolicy", "StartLiveTail",
		"TagLogGroup", "TagResource", "UntagLogGroup", "UntagResource",
	}},
	{model: "sts", dir: "internal/wire/sts", pkg: "sts", operations: []string{"GetCallerIdentity"}},

	// The rest prove the protocols that no served service uses yet; only tests
	// of internal/wire/protocol import them.
	{model: "s3", dir: "internal/wire/protocol/internal/s3test", pkg: "s3test", operations: []string{
		"CreateBucket", "DeleteObjects", "GetObject", "HeadObject", "ListObjectsV2", "ListObjects", "PutBucketTagging",
		"GetBucketTagging", "PutObject", "UploadPart", "GetBucketAcl", "SelectObjectContent",
	}},
	{model: "sqs", dir: "internal/wire/protocol/internal/sqstest", pkg: "sqstest", operations: []string{
		"CreateQueue", "GetQueueUrl", "SendMessage", "SendMessageBatch", "DeleteMessage",
	}},
	{model: "events", dir: "internal/wire/protocol/internal/eventstest", pkg: "eventstest", operations: []string{
		"PutRule", "PutEvents", "DescribeArchive", "PutTargets",
	}},
	{model: "logs", dir: "internal/wire/protocol/internal/logstest", pkg: "logstest", operations: []string{"StartLiveTail"}},
	{model: "iam", dir: "internal/wire/protocol/internal/iamtest", pkg: "iamtest", operations: []string{
		"CreateRole", "ListUsers", "SimulateCustomPolicy", "DeleteRole",
	}},
}
