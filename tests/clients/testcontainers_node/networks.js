// Containers that find each other by aliases and by address.

const { Network } = require("testcontainers");
const { assert, PAGE, sleeper, server, main } = require("./_env.js");

main(async () => {
  const network = await new Network().start();
  const web = await server().withNetwork(network).withNetworkAliases("web", "www").start();
  const hosts = [{ host: "outside", ipAddress: "192.0.2.9" }];
  const other = await sleeper().withNetwork(network).withExtraHosts(hosts).start();
  for (const name of ["web", "www", web.getIpAddress(network.getName())]) {
    assert.equal((await other.exec(["wget", "-q", "-O", "-", `http://${name}:8080/`])).output, PAGE);
  }
  assert.match((await other.exec("cat /etc/hosts")).output, /192\.0\.2\.9\s+outside/);
  await other.stop();
  await web.stop();
  await network.stop();
});
