exports.timestamp = async () => ({ statusCode: 200, headers: { 'content-type': 'text/plain' }, body: String(Date.now()) });
