// Images that are built for a test, from a folder.

const fs = require("node:fs");
const { GenericContainer } = require("testcontainers");
const { assert, image, main } = require("./_env.js");

main(async () => {
  fs.mkdirSync("context");
  fs.writeFileSync("context/file", "content");
  fs.writeFileSync("context/left.out", "");
  fs.writeFileSync("context/.dockerignore", "*.out\n");
  fs.writeFileSync("context/Other", `FROM ${image} AS base\nARG WHO=nobody\nRUN echo $WHO >/who\nFROM base AS last\nCOPY . /app\n`);
  const built = await GenericContainer.fromDockerfile(`${process.cwd()}/context`, "Other").withBuildArgs({ WHO: "me" }).build();
  const container = await built.withCommand(["sleep", "9999"]).start();
  const said = await container.exec(["sh", "-c", "cat /who /app/file; ls /app/*.out 2>&1 | wc -l"]);
  assert.equal(said.output, "me\ncontent1\n");
  await container.stop();
  // By BuildKit.
  fs.writeFileSync("context/Other", `FROM ${image}\nRUN --mount=target=/in cat /in/file >/read\n`);
  const kit = await GenericContainer.fromDockerfile(`${process.cwd()}/context`, "Other").withBuildkit().build();
  const reading = await kit.withCommand(["sleep", "9999"]).start();
  assert.equal((await reading.exec(["cat", "/read"])).output, "content");
  await reading.stop();
  fs.writeFileSync("context/Other", `FROM ${image}\nRUN exit 3\n`);
  await assert.rejects(GenericContainer.fromDockerfile(`${process.cwd()}/context`, "Other").build());
});
