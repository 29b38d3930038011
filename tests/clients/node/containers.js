// Containers: made, run, waited for, changed, listed, removed; and what is refused.

const { assert, docker, image, prefix, refused, main } = require("./_env.js");

main(async () => {
  const one = await docker.createContainer({
    name: `${prefix}one`,
    Image: image,
    Cmd: ["sleep", "600"],
    Env: ["A=b"],
    Labels: { [`${prefix}label`]: "yes" },
    HostConfig: { Init: true, Tmpfs: { "/scratch": "size=1m" } },
  });
  assert.equal((await one.inspect()).State.Status, "created");
  await one.start();
  const found = await docker.listContainers({ filters: { label: [`${prefix}label=yes`] } });
  assert.deepEqual(found.map((container) => container.Id), [one.id]);
  assert.ok((await one.top()).Processes.length > 0);
  await one.pause();
  assert.equal((await one.inspect()).State.Status, "paused");
  await one.unpause();
  await one.rename({ name: `${prefix}two` });
  assert.equal((await one.inspect()).Name, `/${prefix}two`);
  await one.update({ RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } });
  assert.equal((await one.inspect()).HostConfig.RestartPolicy.MaximumRetryCount, 2);
  await one.update({ RestartPolicy: { Name: "no" } });
  await one.restart({ t: 5 });
  const stats = await one.stats({ stream: false });
  assert.ok(stats.cpu_stats && stats.name === `/${prefix}two`);
  await refused(one.remove(), 409, "container is running");
  await one.kill({ signal: "SIGTERM" });
  // On a connection of its own, the next exit could be awaited too late.
  assert.equal((await one.wait({ condition: "not-running" })).StatusCode, 143);
  await refused(one.kill(), 409, "is not running");
  await one.start();
  await one.stop({ t: 10 });
  await refused(one.stop(), 304, "");
  await one.remove({ v: true });
  await refused(one.inspect(), 404, "No such container");

  const broken = await docker.createContainer({ name: `${prefix}broken`, Image: image, Cmd: ["no-such-program"] });
  await refused(broken.start(), 400, "executable file not found in $PATH");
  await refused(docker.createContainer({ name: `${prefix}broken`, Image: image }), 409, "is already in use by container");
  await refused(docker.createContainer({ name: `${prefix}x`, Image: "none-such:1" }), 404, "No such image: none-such:1");
  await refused(docker.createContainer({ name: "bad/name", Image: image }), 400, "Invalid container name");
});
