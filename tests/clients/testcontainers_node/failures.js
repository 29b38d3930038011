// What a test is told when its container does not come up.

const { GenericContainer, Wait } = require("testcontainers");
const { assert, image, prefix, sleeper, server, main } = require("./_env.js");

const says = (...script) => new GenericContainer(image).withCommand(["sh", "-c", script.join("; ")]);

main(async () => {
  const late = says("echo the reason", "sleep 9999").withWaitStrategy(Wait.forLogMessage("never said"));
  await assert.rejects(late.withStartupTimeout(2000).start(), /Log message "never said" not received after 2000ms/);

  const sick = sleeper().withHealthCheck({ test: ["CMD-SHELL", "exit 1"], interval: 100, retries: 1 });
  await assert.rejects(sick.withWaitStrategy(Wait.forHealthCheck()).start(), /Health check failed: unhealthy/);

  const deaf = sleeper().withExposedPorts(8080).withStartupTimeout(2000);
  await assert.rejects(deaf.start(), /Port .* not bound after 2000ms/);

  const ended = says("exit 3").withWaitStrategy(Wait.forOneShotStartup());
  await assert.rejects(ended.start(), /Container failed to start/);

  await assert.rejects(new GenericContainer(`${prefix}nobodys:1`).start(), /\(HTTP code (404|500)\)/);
  const absent = new GenericContainer(image).withCommand(["no-such-program"]);
  await assert.rejects(absent.start(), /\(HTTP code 400\).*executable file not found/);

  const name = `${prefix}taken`;
  const holder = await sleeper().withName(name).start();
  const words = new RegExp(`The container name "/${name}" is already in use`);
  await assert.rejects(sleeper().withName(name).start(), words);
  await holder.stop();
});
