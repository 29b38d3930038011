// Logs, attached streams and commands, framed and through a terminal.

const { PassThrough } = require("node:stream");
const { assert, docker, image, prefix, refused, all, main } = require("./_env.js");

// Both streams of a framed one, to its end.
async function split(container, stream) {
  const [out, err] = [new PassThrough(), new PassThrough()];
  container.modem.demuxStream(stream, out, err);
  stream.on("end", () => [out, err].forEach((one) => one.end()));
  return (await Promise.all([all(out), all(err)])).map(String);
}

main(async () => {
  const script = "echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.1; done; echo three";
  const talker = await docker.createContainer({ name: `${prefix}a`, Image: image, Cmd: ["sh", "-c", script] });
  await talker.start();
  const followed = split(talker, await talker.logs({ follow: true, stdout: true, stderr: true }));
  const touch = await talker.exec({ Cmd: ["touch", "/go"], AttachStdout: true, AttachStderr: true });
  await all(await touch.start({ hijack: true }));
  assert.deepEqual(await followed, ["one\nthree\n", "two\n"]);
  const last = await talker.logs({ stdout: true, stderr: true, tail: 1, timestamps: true });
  assert.match(last.toString(), /Z three\n$/);

  const reader = await docker.createContainer({
    name: `${prefix}r`, Image: image, Cmd: ["sh", "-c", "read a; echo got $a; echo err >&2; exit 2"],
    OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
  });
  const attached = await reader.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
  const said = split(reader, attached);
  await reader.start();
  attached.end("words\n");
  assert.deepEqual(await said, ["got words\n", "err\n"]);
  assert.equal((await reader.wait()).StatusCode, 2);

  const idle = await docker.createContainer({ name: `${prefix}i`, Image: image, Cmd: ["sleep", "600"], HostConfig: { Init: true } });
  await idle.start();
  const cat = await idle.exec({ Cmd: ["sh", "-c", "cat; exit 7"], AttachStdin: true, AttachStdout: true, AttachStderr: true });
  const both = await cat.start({ hijack: true, stdin: true });
  const echoed = split(idle, both);
  both.end("typed\n");
  assert.deepEqual(await echoed, ["typed\n", ""]);
  const found = await cat.inspect();
  assert.deepEqual([found.Running, found.ExitCode], [false, 7]);

  const shell = await idle.exec({ Cmd: ["sh"], AttachStdin: true, AttachStdout: true, Tty: true });
  const terminal = await shell.start({ hijack: true, stdin: true, Tty: true });
  await shell.resize({ h: 30, w: 90 });
  terminal.write("stty size; exit\n");
  assert.match((await all(terminal)).toString(), /30 90/);
  await refused(docker.getExec("none").inspect(), 404, "No such exec instance: none");

  // As the client runs things in one call.
  const out = new PassThrough();
  const [ran, ranIn] = await docker.run(image, ["echo", "run"], out, { name: `${prefix}run`, Tty: false });
  assert.equal(ran.StatusCode, 0);
  // It is handed on as it comes, in its frame.
  assert.equal((await all(out)).toString(), "\x01\0\0\0\0\0\0\x04run\n");
  await ranIn.remove();
});
