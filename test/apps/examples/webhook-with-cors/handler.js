const crypto = require('crypto');

const sign = (key, body) => `sha1=${crypto.createHmac('sha1', key).update(body, 'utf-8').digest('hex')}`;

module.exports.githubWebhookListener = async (event) => {
  const headers = { 'Access-Control-Allow-Origin': '*' };
  if (event.httpMethod === 'GET') return { statusCode: 200, headers, body: 'listening' };
  const signature = event.headers['X-Hub-Signature'];
  const kind = event.headers['X-GitHub-Event'];
  if (!signature) return { statusCode: 401, headers, body: 'there is no signature' };
  if (!kind) return { statusCode: 422, headers, body: 'there is no event' };
  if (signature !== sign(process.env.GITHUB_WEBHOOK_SECRET, event.body)) return { statusCode: 401, headers, body: 'the signature is wrong' };
  return { statusCode: 200, headers, body: JSON.stringify({ kind, action: JSON.parse(event.body).action }) };
};
