exports.user = async ({ pathParameters: { id } }) => (id === '0' ? { statusCode: 404, body: 'nobody' } : { id, name: `user ${id}` });
