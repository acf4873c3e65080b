class OutOfStock extends Error {
  constructor(item) {
    super(`no ${item} in stock`);
    this.name = "OutOfStock";
  }
}

exports.handler = async ({ item, count }, context) => {
  if (count > 10) {
    console.log(`nothing left of ${item}`);
    throw new OutOfStock(item);
  }
  return { reserved: count, item, by: context.functionName };
};
