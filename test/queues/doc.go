// Package queues tests queues as their users have them: a whole platform, and AWS's
// SDKs for Go, Python and JavaScript, the aws command and sqs-consumer.
package queues
