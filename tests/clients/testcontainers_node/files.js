// Files, folders and archives into a container and out of it; mounts in memory.

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const { assert, sleeper, all, main } = require("./_env.js");

main(async () => {
  fs.mkdirSync("tree");
  fs.writeFileSync("tree/leaf", "green");
  fs.writeFileSync("program", "#!/bin/sh\necho ran\n");
  const container = await sleeper()
    .withCopyDirectoriesToContainer([{ source: "tree", target: "/data" }])
    .withCopyFilesToContainer([{ source: "program", target: "/run-me", mode: 0o755 }])
    .withTmpFs({ "/scratch": "rw,size=1m" })
    .start();
  const said = async (...command) => (await container.exec(command)).output;
  assert.equal(await said("cat", "/data/leaf"), "green");
  assert.equal(await said("/run-me"), "ran\n");
  assert.match(await said("mount"), /tmpfs on \/scratch/);
  await container.copyContentToContainer([{ content: "late", target: "/late" }]);
  assert.equal(await said("cat", "/late"), "late");
  execFileSync("tar", ["-cf", "tree.tar", "tree"]);
  await container.copyArchiveToContainer(fs.createReadStream("tree.tar"), "/tmp");
  assert.equal(await said("cat", "/tmp/tree/leaf"), "green");
  fs.writeFileSync("back.tar", await all(await container.copyArchiveFromContainer("/data")));
  execFileSync("tar", ["-xf", "back.tar"]);
  assert.equal(fs.readFileSync("data/leaf", "utf8"), "green");
  await container.stop();
});
