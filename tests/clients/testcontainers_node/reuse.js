// A container that the next test takes over, running or stopped.

const { assert, prefix, PAGE, server, page, main } = require("./_env.js");

main(async () => {
  const make = () => server().withLabels({ of: prefix }).withName(`${prefix}kept`).withReuse().start();
  const first = await make();
  const second = await make();
  assert.equal(second.getId(), first.getId());
  assert.equal(await page(second), PAGE);
  await second.stop({ remove: false });
  const third = await make();
  assert.equal(third.getId(), first.getId());
  assert.equal(await page(third), PAGE);
  await third.stop();
  const fourth = await make();
  assert.notEqual(fourth.getId(), first.getId());
  await fourth.stop();
});
