// Invoked by the schedule, with its input. What it returns goes to the queue Orders.
exports.handler = async ({ sheep }) => {
  if (typeof sheep !== "number") {
    throw new Error("say how many sheep"); // after the retries it goes to Refused
  }
  console.log("ordering", sheep, "sheep");
  return { sheep, at: new Date().toISOString() };
};
