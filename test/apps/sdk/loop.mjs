import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const lambda = new LambdaClient({ maxAttempts: 1 });

// handler calls itself for as long as it may, and says how often it ran.
export async function handler(event, context) {
  const runs = (event.runs ?? 0) + 1;
  if (runs > 20) return { runs, stopped: "nobody stops it" };
  try {
    const answer = await lambda.send(new InvokeCommand({ FunctionName: context.functionName, Payload: JSON.stringify({ runs }) }));
    return JSON.parse(Buffer.from(answer.Payload).toString());
  } catch (err) {
    return { runs, stopped: err.name, status: err.$metadata?.httpStatusCode };
  }
}
