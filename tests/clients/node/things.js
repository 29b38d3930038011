// Images, volumes, networks, archives, events, the engine itself.

const { assert, docker, image, prefix, port, registry, refused, all, main } = require("./_env.js");

// The steps of a transfer; fails when one is an error.
function finished(stream) {
  return new Promise((resolve, reject) =>
    docker.modem.followProgress(stream, (error, steps) => (error ? reject(error) : resolve(steps))),
  );
}

main(async () => {
  assert.equal(String(await docker.ping()), "OK");
  assert.equal((await docker.version()).ApiVersion, "1.51");
  assert.equal((await docker.info()).OSType, "linux");
  assert.ok((await docker.df()).Images.length > 0);

  const events = await docker.getEvents({ filters: { label: [`${prefix}label`] } });
  const heard = (async () => {
    let text = "";
    for await (const part of events) {
      text += part;
      // With the end of its line.
      if (/"destroy".*\n/.test(text)) break;
    }
    return text.trim().split("\n").map((line) => JSON.parse(line).Action);
  })();

  const volume = await docker.createVolume({ Name: `${prefix}v`, Labels: { a: "b" } });
  const network = await docker.createNetwork({ Name: `${prefix}n`, Internal: true });
  const one = await docker.createContainer({
    name: `${prefix}a`, Image: image, Cmd: ["sleep", "600"], Labels: { [`${prefix}label`]: "" },
    ExposedPorts: { "80/tcp": {} },
    HostConfig: { Init: true, Binds: [`${volume.name}:/data`], PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: `${port}` }] } },
  });
  await one.start();
  await network.connect({ Container: one.id, EndpointConfig: { Aliases: ["site"] } });
  const found = await one.inspect();
  assert.equal(found.NetworkSettings.Ports["80/tcp"][0].HostPort, `${port}`);
  assert.ok(found.NetworkSettings.Networks[`${prefix}n`].Aliases.includes("site"));
  assert.equal(found.Mounts[0].Name, volume.name);
  await refused(volume.remove(), 409, "volume is in use");
  await refused(network.remove(), 403, "has active endpoints");
  await network.disconnect({ Container: one.id });
  await refused(docker.getNetwork(`${prefix}none`).inspect(), 404, `network ${prefix}none not found`);
  await refused(docker.getVolume(`${prefix}none`).inspect(), 404, "no such volume");
  await refused(docker.createNetwork({ Name: `${prefix}n` }), 409, "already exists");

  const archive = await all(await one.getArchive({ path: "/etc/hostname" }));
  assert.ok(archive.includes("hostname"));
  await one.putArchive(archive, { path: "/data" });
  assert.ok((await all(await one.getArchive({ path: "/data/hostname" }))).length > 0);
  assert.ok((await one.infoArchive({ path: "/data/hostname" })).headers["x-docker-container-path-stat"]);
  await refused(one.getArchive({ path: "/none" }), 404, "Could not find the file /none in container");

  await one.stop({ t: 10 });
  const made = await one.commit({ repo: `${prefix}made`, tag: "1", comment: "why" });
  assert.ok(made.Id.startsWith("sha256:"));
  await one.remove({ v: true });
  const actions = await heard;
  for (const action of ["create", "start", "kill", "die", "stop", "commit", "destroy"]) assert.ok(actions.includes(action), `${action}: ${actions}`);
  await volume.remove();
  await network.remove();

  const name = `${registry}/${prefix}image`;
  await docker.getImage(`${prefix}made:1`).tag({ repo: name, tag: "1" });
  const steps = await finished(await docker.getImage(`${name}:1`).push({}));
  assert.ok(steps.some((step) => step.aux && step.aux.Digest.startsWith("sha256:")));
  await docker.getImage(`${name}:1`).remove();
  await docker.getImage(`${prefix}made:1`).remove();
  await finished(await docker.pull(`${name}:1`));
  assert.equal((await docker.getImage(`${name}:1`).history())[0].Comment, "why");
  const saved = await all(await docker.getImage(`${name}:1`).get());
  await docker.getImage(`${name}:1`).remove();
  const { Readable } = require("node:stream");
  await finished(await docker.loadImage(Readable.from([saved])));
  await docker.getImage(`${name}:1`).remove();
  await refused(docker.getImage(`${name}:1`).inspect(), 404, "No such image");
  await refused(docker.pull(`${registry}/${prefix}none:1`).then(finished), 404, "manifest unknown");
});
