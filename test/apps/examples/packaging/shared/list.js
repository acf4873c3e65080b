const fs = require('fs');
const path = require('path');

// list returns the names of all files below a folder.
module.exports = function list(root, dir = '') {
  return fs.readdirSync(path.join(root, dir), { withFileTypes: true })
    .flatMap((d) => d.isDirectory() ? list(root, path.join(dir, d.name)) : path.join(dir, d.name)).sort();
};
