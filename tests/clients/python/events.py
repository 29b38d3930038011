"""Events: as they happen, from the past, filtered."""

from _env import client, image, prefix

live = client.events(decode=True, filters={"label": prefix + "label"})
one = client.containers.run(image, "true", name=prefix + "a", labels={prefix + "label": ""}, detach=True)
one.wait()
one.rename(prefix + "b")
one.remove()
seen = []
for event in live:
    seen.append(event["Action"])
    last = event
    if event["Action"] == "destroy":
        break
live.close()
assert seen == ["create", "attach", "start", "die", "rename", "destroy"] or seen == ["create", "start", "die", "rename", "destroy"], seen
assert last["Type"] == "container" and last["Actor"]["ID"] == one.id and last["Actor"]["Attributes"]["name"] == prefix + "b"

until = last["time"] + 1
past = list(client.events(decode=True, since=last["time"] - 600, until=until, filters={"container": one.id, "event": ["die", "start"]}))
assert [event["Action"] for event in past] == ["start", "die"]
assert past[1]["Actor"]["Attributes"]["exitCode"] == "0"

volume = client.volumes.create(prefix + "v")
network = client.networks.create(prefix + "n")
network.remove()
volume.remove()
for kind, thing in [("volume", volume.name), ("network", network.id)]:
    past = client.events(decode=True, since=last["time"] - 1, until=last["time"] + 600, filters={"type": kind})
    actions = []
    for event in past:
        if event["Actor"]["ID"] == thing:
            actions.append(event["Action"])
        if actions[-1:] == ["destroy"]:
            break
    past.close()
    assert actions == ["create", "destroy"], (kind, actions)
