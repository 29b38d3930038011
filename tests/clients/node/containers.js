// Containers: made, run, waited for, removed.

const { assert, docker, image, prefix, main } = require("./_env.js");

main(async () => {
  const container = await docker.createContainer({ name: `${prefix}a`, Image: image, Cmd: ["true"] });
  await container.start();
  assert.deepEqual((await container.wait()).StatusCode, 0);
  await container.remove();
});
