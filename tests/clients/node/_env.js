// What every script here begins with.

const assert = require("node:assert/strict");
const Docker = require("dockerode");

const { IMAGE: image, PREFIX: prefix, PORT, KIND: kind, REGISTRY: registry } = process.env;

// The client itself reads DOCKER_HOST.
const docker = new Docker();

// The promise fails with this status, and these words of the engine's.
async function refused(promise, status, words) {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error, `not refused: ${words}`);
  assert.equal(error.statusCode, status, error.message);
  assert.ok(error.message.includes(words), `no <${words}> in <${error.message}>`);
}

// All that a readable stream gives, to its end.
async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

function main(run) {
  run().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { assert, docker, image, prefix, port: Number(PORT), kind, registry, refused, all, main };
