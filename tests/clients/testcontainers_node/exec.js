// Commands in a container that runs.

const { assert, sleeper, main } = require("./_env.js");

main(async () => {
  const container = await sleeper().withEnvironment({ WORD: "w" }).start();
  const script = "echo out; echo err >&2; id -u; pwd; echo $WORD $MORE; exit 3";
  const options = { user: "1000", workingDir: "/tmp", env: { MORE: "m" } };
  const said = await container.exec(["sh", "-c", script], options);
  assert.deepEqual([said.exitCode, said.stdout, said.stderr], [3, "out\n1000\n/tmp\nw m\n", "err\n"]);
  const missing = await container.exec("no-such-program");
  assert.equal(missing.exitCode, 127);
  assert.match(missing.output, /executable file not found/);
  await container.stop();
});
