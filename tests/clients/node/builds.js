// Images from Dockerfiles: of listed files and of an archive; arguments, progress, what fails.

const { assert, docker, image, prefix, refused, all, main } = require("./_env.js");
const fs = require("node:fs");

function finished(stream) {
  return new Promise((resolve, reject) =>
    docker.modem.followProgress(stream, (error, steps) => (error ? reject(error) : resolve(steps))),
  );
}

const said = (steps) => steps.map((step) => step.stream ?? "").join("");

async function output(name, command) {
  const container = await docker.createContainer({ Image: name, Cmd: command, Tty: true });
  const stream = await container.attach({ stream: true, stdout: true });
  await container.start();
  const text = (await all(stream)).toString();
  await container.remove();
  return text.replaceAll("\r", "");
}

main(async () => {
  fs.mkdirSync("context/sub", { recursive: true });
  fs.writeFileSync("context/sub/file", "content");
  fs.writeFileSync("context/other", "");
  fs.writeFileSync("context/Dockerfile", `FROM ${image}\nARG WHO=nobody\nCOPY . /app\nRUN echo $WHO >/who; ls /app >>/who\n`);
  const name = `${prefix}built:1`;
  const files = { context: `${process.cwd()}/context`, src: ["Dockerfile", "sub/file"] };
  const options = { t: name, buildargs: { WHO: "me" }, labels: { a: "b" }, rm: true };
  const steps = await finished(await docker.buildImage(files, options));
  assert.match(said(steps), /Step 1\/5 : FROM /);
  const id = steps.filter((step) => step.aux).at(-1).aux.ID;
  const found = await docker.getImage(name).inspect();
  assert.equal(found.Id, id);
  assert.equal(found.Config.Labels.a, "b");
  assert.equal(await output(name, ["cat", "/who", "/app/sub/file"]), "me\nDockerfile\nsub\ncontent");
  const again = said(await finished(await docker.buildImage(files, options)));
  assert.equal(again.split(" ---> Using cache").length - 1, 4);

  // By BuildKit, whose steps come as its own messages.
  fs.writeFileSync("context/Dockerfile", `FROM ${image}\nRUN --mount=target=/in cat /in/sub/file >/read\n`);
  const traced = await finished(await docker.buildImage(files, { t: name, version: "2" }));
  assert.ok(traced.some((step) => step.id === "moby.buildkit.trace"));
  assert.equal((await docker.getImage(name).inspect()).Id, traced.at(-1).aux.ID);
  assert.equal(await output(name, ["cat", "/read"]), "content");

  fs.writeFileSync("context/Dockerfile", `FROM ${image}\nRUN exit 3\n`);
  await refused(docker.buildImage({ context: `${process.cwd()}/context`, src: ["other"] }), 500, "Cannot locate specified Dockerfile: Dockerfile");
  const failing = await docker.buildImage({ context: `${process.cwd()}/context`, src: ["Dockerfile"] }, { forcerm: true });
  // The client leaves it to whoever reads the steps.
  assert.match((await finished(failing)).at(-1).error, /returned a non-zero code: 3/);
  await docker.getImage(name).remove();
});
