// What every script here begins with.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { GenericContainer } = require("testcontainers");

const { IMAGE: image, PREFIX: prefix, DOCKER, DOCKER_CONFIG, COMPOSE_PLUGIN } = process.env;

// The client runs `docker compose` by its plain names.
const plugin = path.join(DOCKER_CONFIG, "cli-plugins", "docker-compose");
fs.mkdirSync(path.dirname(plugin), { recursive: true });
if (!fs.existsSync(plugin)) fs.symlinkSync(COMPOSE_PLUGIN, plugin);
if (path.isAbsolute(DOCKER)) process.env.PATH = `${path.dirname(DOCKER)}:${process.env.PATH}`;

const PAGE = "hello from the container\n";
// More than any needs on a slow machine under emulation.
const PATIENCE = 120_000;

// A container that does nothing.
const sleeper = () => new GenericContainer(image).withCommand(["sleep", "9999"]);

// A web server that says when it begins, a moment after the start.
const server = () =>
  new GenericContainer(image)
    .withCommand(["sh", "-c", "sleep 1; echo serving; exec httpd -f -p 8080 -h /www"])
    .withExposedPorts(8080)
    .withCopyContentToContainer([{ content: PAGE, target: "/www/index.html" }])
    .withStartupTimeout(PATIENCE);

// What the server answers on the port that it was given on this side.
const page = async (container) =>
  (await fetch(`http://${container.getHost()}:${container.getMappedPort(8080)}/`)).text();

async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(Buffer.from(part));
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

module.exports = { assert, image, prefix, PAGE, PATIENCE, sleeper, server, page, all, main };
