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
	// second is what a service's second protocol has and the description does not say.
	second *secondProtocol
}

// secondProtocol is the query protocol of a service that has gone on to JSON.
type secondProtocol struct {
	namespace string
	// names are what lists and maps are called, by the names of their shapes.
	names map[string]string
	// entries are what key and value of a map are called, by the name of its shape.
	entries map[string][2]string
	// errors are codes and statuses of errors by their names in JSON. Those that the
	// description does not have are added.
	errors map[string]errorCode
}

type errorCode struct {
	code   string // in the query protocol; "" is the name
	status int    // in both; 0 is 400
}

// sqsQuery is the query protocol of SQS. Source: the service's description of before
// November 2023, and "Making Query API requests", SQS developer guide.
var sqsQuery = &secondProtocol{
	namespace: "http://queue.amazonaws.com/doc/2012-11-05/",
	names: map[string]string{
		"AWSAccountIdList":          "AWSAccountId",
		"ActionNameList":            "ActionName",
		"AttributeNameList":         "AttributeName",
		"BatchResultErrorEntryList": "BatchResultErrorEntry",
		"BinaryList":                "BinaryListValue",
		"ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
		"ChangeMessageVisibilityBatchResultEntryList":  "ChangeMessageVisibilityBatchResultEntry",
		"DeleteMessageBatchRequestEntryList":           "DeleteMessageBatchRequestEntry",
		"DeleteMessageBatchResultEntryList":            "DeleteMessageBatchResultEntry",
		"ListMessageMoveTasksResultEntryList":          "ListMessageMoveTasksResultEntry",
		"MessageAttributeNameList":                     "MessageAttributeName",
		"MessageBodyAttributeMap":                      "MessageAttribute",
		"MessageBodySystemAttributeMap":                "MessageSystemAttribute",
		"MessageList":                                  "Message",
		"MessageSystemAttributeList":                   "MessageSystemAttributeName",
		"MessageSystemAttributeMap":                    "Attribute",
		"QueueAttributeMap":                            "Attribute",
		"QueueUrlList":                                 "QueueUrl",
		"SendMessageBatchRequestEntryList":             "SendMessageBatchRequestEntry",
		"SendMessageBatchResultEntryList":              "SendMessageBatchResultEntry",
		"StringList":                                   "StringListValue",
		"TagKeyList":                                   "TagKey",
		"TagMap":                                       "Tag",
	},
	entries: map[string][2]string{
		"MessageBodyAttributeMap":       {"Name", "Value"},
		"MessageBodySystemAttributeMap": {"Name", "Value"},
		"MessageSystemAttributeMap":     {"Name", "Value"},
		"QueueAttributeMap":             {"Name", "Value"},
		"TagMap":                        {"Key", "Value"},
	},
	errors: map[string]errorCode{
		"AccessDeniedException":             {"AccessDenied", 403},
		"BatchEntryIdsNotDistinct":          {"AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 0},
		"BatchRequestTooLong":               {"AWS.SimpleQueueService.BatchRequestTooLong", 0},
		"EmptyBatchRequest":                 {"AWS.SimpleQueueService.EmptyBatchRequest", 0},
		"InvalidAddress":                    {"", 404},
		"InvalidBatchEntryId":               {"AWS.SimpleQueueService.InvalidBatchEntryId", 0},
		"InvalidParameterValueException":    {"InvalidParameterValue", 0},
		"InvalidSecurity":                   {"", 403},
		"MessageNotInflight":                {"AWS.SimpleQueueService.MessageNotInflight", 0},
		"MissingRequiredParameterException": {"MissingParameter", 0},
		"OverLimit":                         {"", 403},
		"PurgeQueueInProgress":              {"AWS.SimpleQueueService.PurgeQueueInProgress", 403},
		"QueueDeletedRecently":              {"AWS.SimpleQueueService.QueueDeletedRecently", 0},
		"QueueDoesNotExist":                 {"AWS.SimpleQueueService.NonExistentQueue", 0},
		"QueueNameExists":                   {"QueueAlreadyExists", 0},
		"ReceiptHandleIsInvalid":            {"", 404},
		"RequestThrottled":                  {"", 403},
		"ResourceNotFoundException":         {"", 404},
		"TooManyEntriesInBatchRequest":      {"AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 0},
		"UnsupportedOperation":              {"AWS.SimpleQueueService.UnsupportedOperation", 0},
	},
}

const openNames = "the service says which names it does not know, as SQS does, and has a text of its own for it"

var targets = []target{
	{model: "lambda", dir: "internal/wire/lambda", pkg: "lambda", operations: []string{
		"AddLayerVersionPermission", "AddPermission", "CreateAlias", "CreateEventSourceMapping", "CreateFunction", "CreateFunctionUrlConfig",
		"DeleteAlias", "DeleteEventSourceMapping", "DeleteFunction", "DeleteFunctionConcurrency", "DeleteFunctionEventInvokeConfig", "DeleteFunctionUrlConfig",
		"DeleteLayerVersion", "DeleteProvisionedConcurrencyConfig",
		"GetAccountSettings", "GetAlias", "GetEventSourceMapping", "GetFunction", "GetFunctionConcurrency", "GetFunctionConfiguration",
		"GetFunctionEventInvokeConfig", "GetFunctionRecursionConfig", "GetFunctionUrlConfig", "GetLayerVersion", "GetLayerVersionByArn", "GetLayerVersionPolicy", "GetPolicy", "GetProvisionedConcurrencyConfig",
		"Invoke", "InvokeAsync", "InvokeWithResponseStream", "ListAliases", "ListEventSourceMappings", "ListFunctionEventInvokeConfigs", "ListFunctionUrlConfigs",
		"ListFunctions", "ListLayerVersions", "ListLayers",
		"ListProvisionedConcurrencyConfigs", "ListTags", "ListVersionsByFunction", "PublishLayerVersion", "PublishVersion", "PutFunctionConcurrency",
		"PutFunctionEventInvokeConfig", "PutFunctionRecursionConfig", "PutProvisionedConcurrencyConfig",
		"RemoveLayerVersionPermission", "RemovePermission", "TagResource", "UntagResource", "UpdateAlias", "UpdateEventSourceMapping",
		"UpdateFunctionCode", "UpdateFunctionConfiguration", "UpdateFunctionEventInvokeConfig", "UpdateFunctionUrlConfig",
	}, open: map[string]string{
		"Runtime": "the registry knows which runtimes this machine has, among them newer ones than the description; AWS checks it apart from the shapes, too",
	}},
	{model: "logs", dir: "internal/wire/logs", pkg: "logs", operations: []string{
		"CreateLogGroup", "CreateLogStream", "DeleteLogGroup", "DeleteLogStream", "DeleteRetentionPolicy", "DescribeLogGroups", "DescribeLogStreams",
		"FilterLogEvents", "GetLogEvents", "ListTagsForResource", "ListTagsLogGroup", "PutLogEvents", "PutRetentionPolicy", "StartLiveTail",
		"TagLogGroup", "TagResource", "UntagLogGroup", "UntagResource",
	}},
	{model: "sqs", dir: "internal/wire/sqs", pkg: "sqs", operations: []string{
		"AddPermission", "CancelMessageMoveTask", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "CreateQueue", "DeleteMessage",
		"DeleteMessageBatch", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues", "ListMessageMoveTasks",
		"ListQueueTags", "ListQueues", "PurgeQueue", "ReceiveMessage", "RemovePermission", "SendMessage", "SendMessageBatch",
		"SetQueueAttributes", "StartMessageMoveTask", "TagQueue", "UntagQueue",
	}, second: sqsQuery, open: map[string]string{
		"QueueAttributeName":                 openNames,
		"MessageSystemAttributeName":         openNames,
		"MessageSystemAttributeNameForSends": openNames,
	}},
	{model: "scheduler", dir: "internal/wire/scheduler", pkg: "scheduler", operations: []string{
		"CreateSchedule", "CreateScheduleGroup", "DeleteSchedule", "DeleteScheduleGroup", "GetSchedule", "GetScheduleGroup",
		"ListScheduleGroups", "ListSchedules", "ListTagsForResource", "TagResource", "UntagResource", "UpdateSchedule",
	}},
	{model: "events", dir: "internal/wire/events", pkg: "events", operations: []string{
		"DeleteRule", "DescribeEventBus", "DescribeRule", "DisableRule", "EnableRule", "ListEventBuses", "ListRuleNamesByTarget", "ListRules",
		"ListTagsForResource", "ListTargetsByRule", "PutRule", "PutTargets", "RemoveTargets", "TagResource", "TestEventPattern", "UntagResource",
	}},
	{model: "sts", dir: "internal/wire/sts", pkg: "sts", operations: []string{"GetCallerIdentity"}},

	// The rest are for tests of internal/wire/protocol alone, which prove every protocol
	// by a few operations and know no service.
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
