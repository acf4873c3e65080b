const path = require('path');
const list = require('../shared/list');

exports.handler = async () => list(path.dirname(__dirname));
