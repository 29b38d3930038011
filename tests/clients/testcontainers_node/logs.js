// What a container says: handed to the test as it comes, and read afterwards.

const { GenericContainer, Wait } = require("testcontainers");
const { assert, image, all, main } = require("./_env.js");

main(async () => {
  let heard = "";
  let heardAll;
  const whole = new Promise((resolve) => (heardAll = resolve));
  const container = await new GenericContainer(image)
    .withCommand(["sh", "-c", "for i in 1 2 3; do echo line $i; done; read end"])
    .withLogConsumer((stream) =>
      stream.on("data", (part) => {
        heard += part;
        if (heard.includes("line 3\n")) heardAll();
      }),
    )
    .withWaitStrategy(Wait.forLogMessage(/line 3/))
    .start();
  let read = "";
  for await (const part of await container.logs()) {
    read += part;
    if (read.includes("line 3\n")) break;
  }
  assert.equal(read, "line 1\nline 2\nline 3\n");
  await whole;
  assert.equal(heard, "line 1\nline 2\nline 3\n");
  assert.equal((await all(await container.logs({ tail: 1 }))).toString(), "line 3\n");
  await container.stop();
});
