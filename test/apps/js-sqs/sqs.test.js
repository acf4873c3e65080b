// AWS's SDK for JavaScript and sqs-consumer against a whole platform: `node --test`,
// with the platform in the environment (see environ in test/queues).
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import {
  ChangeMessageVisibilityBatchCommand, CreateQueueCommand, DeleteMessageBatchCommand, DeleteMessageCommand, DeleteQueueCommand, GetQueueAttributesCommand,
  GetQueueUrlCommand, PurgeQueueCommand, QueueDoesNotExist, QueueNameExists, ReceiptHandleIsInvalid, ReceiveMessageCommand, SendMessageBatchCommand,
  SendMessageCommand, SQSClient,
} from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const client = new SQSClient({ endpoint: process.env.PINFOLD_API, maxAttempts: 1 });

const create = async (name, Attributes = {}) =>
  (await client.send(new CreateQueueCommand({ QueueName: name, Attributes }))).QueueUrl;
const receive = async (QueueUrl, more = {}) =>
  (await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 10, MessageAttributeNames: ["All"], MessageSystemAttributeNames: ["All"], ...more }))).Messages ?? [];

test("a message goes through, checked by the SDK", async () => {
  const QueueUrl = await create(randomUUID());
  const MessageAttributes = { Text: { DataType: "String", StringValue: "ä€😀" }, Bytes: { DataType: "Binary.x", BinaryValue: new Uint8Array([0, 255]) } };
  const sent = await client.send(new SendMessageCommand({
    QueueUrl, MessageBody: "ä€😀 <&>\n", MessageAttributes, MessageSystemAttributes: { AWSTraceHeader: { DataType: "String", StringValue: "Root=1-5759e988-bd862e3fe1be46a994272793" } },
  }));
  const [message] = await receive(QueueUrl);
  assert.equal(message.Body, "ä€😀 <&>\n");
  assert.equal(message.MessageId, sent.MessageId);
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.deepEqual(message.MessageAttributes, MessageAttributes);
  assert.equal(message.Attributes.AWSTraceHeader, "Root=1-5759e988-bd862e3fe1be46a994272793");
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  assert.deepEqual(await receive(QueueUrl, { WaitTimeSeconds: 0 }), []);
});

test("batches, of which parts fail", async () => {
  const QueueUrl = await create(randomUUID());
  const sent = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: "a", MessageBody: "1" }, { Id: "b", MessageBody: "2", DelaySeconds: 1000 }] }));
  assert.deepEqual(sent.Successful.map((s) => s.Id), ["a"]);
  assert.deepEqual(sent.Failed.map((f) => [f.Id, f.SenderFault]), [["b", true]]);
  const [message] = await receive(QueueUrl);
  const changed = await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: [{ Id: "a", ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0 }] }));
  assert.equal(changed.Failed, undefined);
  const [again] = await receive(QueueUrl);
  assert.equal(again.Attributes.ApproximateReceiveCount, "2");
  const removed = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: [{ Id: "a", ReceiptHandle: again.ReceiptHandle }, { Id: "b", ReceiptHandle: "x" }] }));
  assert.deepEqual(removed.Failed.map((f) => [f.Id, f.Code]), [["b", "ReceiptHandleIsInvalid"]]);
});

test("a FIFO queue keeps order and drops duplicates", async () => {
  const QueueUrl = await create(randomUUID() + ".fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
  for (const MessageBody of ["1", "2", "1", "3"]) {
    const sent = await client.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId: "g" }));
    assert.equal(sent.SequenceNumber.length, 20);
  }
  assert.deepEqual((await receive(QueueUrl)).map((m) => m.Body), ["1", "2", "3"]);
});

test("errors are the SDK's own", async () => {
  const name = randomUUID();
  const QueueUrl = await create(name);
  await assert.rejects(create(name, { DelaySeconds: "1" }), QueueNameExists);
  await assert.rejects(client.send(new GetQueueUrlCommand({ QueueName: "none" })), (e) => e instanceof QueueDoesNotExist && e.name === "QueueDoesNotExist");
  await assert.rejects(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: "x" })), ReceiptHandleIsInvalid);
  await assert.rejects(client.send(new SendMessageCommand({ QueueUrl, MessageBody: "" })), { message: "The request must contain the parameter MessageBody." });
  await client.send(new PurgeQueueCommand({ QueueUrl }));
  await assert.rejects(client.send(new PurgeQueueCommand({ QueueUrl })), { name: "PurgeQueueInProgress" });
  await client.send(new DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] })), QueueDoesNotExist);
});

test("sqs-consumer handles what comes, and gets back what it failed with", async () => {
  const queueUrl = await create(randomUUID());
  const failed = new Set();
  const handled = [];
  let done;
  const all = new Promise((r) => { done = r; });
  const consumer = Consumer.create({
    queueUrl, sqs: client, batchSize: 10, waitTimeSeconds: 5, terminateVisibilityTimeout: true, pollingCompleteWaitTimeMs: 30_000, messageSystemAttributeNames: ["All"],
    handleMessage: async (message) => {
      if (!failed.has(message.MessageId)) {
        failed.add(message.MessageId);
        throw new Error("once");
      }
      handled.push(message.Body);
      if (handled.length === 20) done();
      return message;
    },
  });
  const errors = [];
  consumer.on("error", (e) => errors.push(e));
  consumer.on("processing_error", () => {});
  consumer.start();
  for (let i = 0; i < 2; i++) {
    await client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: Array.from({ length: 10 }, (_, j) => ({ Id: `${j}`, MessageBody: `${i * 10 + j}` })) }));
  }
  await all;
  const stopped = new Promise((r) => consumer.on("stopped", r));
  consumer.stop();
  await stopped;
  assert.deepEqual(handled.map(Number).sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i));
  assert.deepEqual(errors, []);
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ["All"] }));
  assert.deepEqual([Attributes.ApproximateNumberOfMessages, Attributes.ApproximateNumberOfMessagesNotVisible], ["0", "0"]);
});
