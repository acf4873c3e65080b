// sharp brings libvips, which has thread pools and an allocator of its own.
const assert = require('node:assert');
const sharp = require('../addons/node_modules/sharp');

(async () => {
  const png = await sharp({ create: { width: 1000, height: 1000, channels: 3, background: 'red' } }).png().toBuffer();
  const made = await Promise.all(['jpeg', 'webp', 'avif', 'tiff', 'gif'].map((f) => sharp(png).resize(200).rotate(10).blur(2).toFormat(f).toBuffer()));
  for (const m of made) assert.ok((await sharp(m).metadata()).width >= 200);
  await sharp(Buffer.from('<svg width="10" height="10"><text>a</text></svg>')).png().toBuffer();
})();
process.on('unhandledRejection', (e) => { console.error(e); process.exit(1); });
