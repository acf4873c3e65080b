// GET /hello?name=you
exports.handler = async (event) => {
  const name = event.queryStringParameters?.name ?? "world";
  console.log("greeting", name);
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message: `${process.env.GREETING}, ${name}!`, from: `Node.js ${process.version}` }),
  };
};
