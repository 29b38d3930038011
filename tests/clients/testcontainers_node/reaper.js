// What a killed test leaves behind goes, and its reaper with it; nothing else does.

const { spawn } = require("node:child_process");
const { Network, getContainerRuntimeClient } = require("testcontainers");
const { assert, image, prefix, sleeper, main } = require("./_env.js");

async function lines(stream, enough) {
  let rest = "";
  for await (const part of stream) {
    const found = (rest + part).split("\n");
    rest = found.pop();
    if (found.some((line) => line && enough(line))) return;
  }
  assert.fail("the stream ended");
}

async function be_killed() {
  const network = await new Network().start();
  const container = await sleeper().withNetwork(network).start();
  console.log(container.getId(), network.getName());
  await new Promise(() => setInterval(() => {}, 1000));
}

async function watch() {
  const docker = (await getContainerRuntimeClient()).container.dockerode;
  const victim = spawn(process.execPath, [__filename, "be_killed"], { stdio: ["ignore", "pipe", "inherit"] });
  let container, network;
  await lines(victim.stdout, (line) => ([container, network] = line.split(" ")));
  const found = await docker.getContainer(container).inspect();
  assert.equal(found.State.Running, true);
  const session = found.Config.Labels["org.testcontainers.session-id"];
  const reapers = await docker.listContainers({ filters: { name: [`testcontainers-ryuk-${session}`] } });
  assert.equal(reapers.length, 1);
  const bystander = await docker.createContainer({ Image: image, Cmd: ["sleep", "9999"], name: `${prefix}bystander` });
  await bystander.start();

  const wanted = new Set([container, reapers[0].Id]);
  const events = await docker.getEvents({ filters: { type: ["container"], event: ["destroy"] } });
  victim.kill("SIGKILL");
  await lines(events, (line) => {
    wanted.delete(JSON.parse(line).Actor.ID);
    return wanted.size === 0;
  });
  assert.deepEqual(await docker.listNetworks({ filters: { name: [network] } }), []);
  await assert.rejects(docker.getContainer(container).inspect(), { statusCode: 404 });
  assert.equal((await bystander.inspect()).State.Running, true);
  await bystander.remove({ force: true });
}

main(process.argv[2] === "be_killed" ? be_killed : watch);
