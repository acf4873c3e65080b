// hello.js for workerd.
export default {
  fetch(request) {
    const name = new URL(request.url).searchParams.get("name") ?? "world";
    return new Response(JSON.stringify({ message: `Hello, ${name}!` }), { headers: { "content-type": "application/json" } });
  },
};
