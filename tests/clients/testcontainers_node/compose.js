// A compose project as part of a test.

const fs = require("node:fs");
const { DockerComposeEnvironment, Wait } = require("testcontainers");
const { assert, image, prefix, PATIENCE, page, main } = require("./_env.js");

const PROJECT = `
services:
  web:
    image: ${image}
    command: [sh, -c, "mkdir /www; echo $$WORD > /www/index.html; echo serving; exec httpd -f -p 8080 -h /www"]
    environment: [WORD]
    ports: ["8080"]
    stop_signal: KILL
  other:
    image: ${image}
    command: [sleep, "9999"]
    stop_signal: KILL
`;

main(async () => {
  fs.writeFileSync("compose.yaml", PROJECT);
  const environment = await new DockerComposeEnvironment(".", "compose.yaml")
    .withProjectName(`${prefix}project`)
    .withEnvironment({ WORD: "composed" })
    .withWaitStrategy("web-1", Wait.forLogMessage("serving"))
    .withStartupTimeout(PATIENCE)
    .up();
  assert.equal(await page(environment.getContainer("web-1")), "composed\n");
  const other = environment.getContainer("other-1");
  assert.equal((await other.exec(["wget", "-q", "-O", "-", "http://web:8080/"])).output, "composed\n");
  await environment.stop();
  await environment.down();
});
