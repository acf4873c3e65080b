import { setTimeout } from 'node:timers/promises';

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 206, headers: { 'Content-Type': 'text/event-stream', 'X-Feed': 'yes' }, cookies: ['seen=1'] });
  for (let i = 1; i <= 3; i++) {
    stream.write(`data: ${event.queryStringParameters?.topic} ${i}\n\n`);
    await setTimeout(5);
  }
  stream.end();
});
