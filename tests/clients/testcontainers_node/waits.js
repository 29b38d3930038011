// Waiting for a container: its ports, its log, a page, a command, its health, its end.

const { GenericContainer, Wait } = require("testcontainers");
const { assert, image, PAGE, server, page, main } = require("./_env.js");

main(async () => {
  const served = Wait.forHttp("/", 8080).forStatusCode(200).forResponsePredicate((body) => body === PAGE);
  for (const strategy of [
    Wait.forListeningPorts(),
    Wait.forLogMessage(/^serving/),
    served,
    Wait.forSuccessfulCommand("wget -q -O /dev/null http://127.0.0.1:8080/"),
    Wait.forAll([Wait.forLogMessage("serving"), Wait.forListeningPorts()]),
  ]) {
    const container = await server().withWaitStrategy(strategy).start();
    if (strategy === served) assert.equal(await page(container), PAGE);
    await container.stop();
  }

  // Nothing said: for the ports, and again after a restart.
  const container = await server().start();
  assert.equal(await page(container), PAGE);
  await container.restart();
  assert.equal(await page(container), PAGE);
  await container.stop();

  const probe = { test: ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/"], interval: 500, retries: 200 };
  const healthy = await server().withHealthCheck(probe).withWaitStrategy(Wait.forHealthCheck()).start();
  assert.equal(await page(healthy), PAGE);
  await healthy.stop();

  const brief = new GenericContainer(image).withCommand(["true"]).withWaitStrategy(Wait.forOneShotStartup());
  await (await brief.start()).stop();
});
