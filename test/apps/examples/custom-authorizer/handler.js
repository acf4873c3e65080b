const answer = (message) => ({ statusCode: 200, headers: { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Credentials': true }, body: JSON.stringify({ message }) });

module.exports.auth = async () => { throw new Error('Unauthorized'); };
module.exports.publicEndpoint = async () => answer('Hi from Public API');
module.exports.privateEndpoint = async () => answer('Only logged in users can see this');
