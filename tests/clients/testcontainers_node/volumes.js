// A named volume: what one container writes, the next one reads, and may not write when it is told so.

const { getContainerRuntimeClient } = require("testcontainers");
const { assert, prefix, sleeper, main } = require("./_env.js");

main(async () => {
  const source = `${prefix}-kept`;
  const writer = await sleeper().withBindMounts([{ source, target: "/data", mode: "rw" }]).start();
  assert.equal((await writer.exec(["sh", "-c", "echo kept >/data/file"])).exitCode, 0);
  await writer.stop();
  const reader = await sleeper().withBindMounts([{ source, target: "/data", mode: "ro" }]).start();
  assert.equal((await reader.exec(["cat", "/data/file"])).output, "kept\n");
  const refused = await reader.exec(["sh", "-c", "echo lost >/data/file"]);
  assert.notEqual(refused.exitCode, 0);
  assert.match(refused.output, /Read-only file system/);
  await reader.stop();
  const { container } = await getContainerRuntimeClient();
  await container.dockerode.getVolume(source).remove();
});
