package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	imagetypes "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
)

func init() { nouns["things"] = things }

// Images, volumes, networks, files, events, the engine itself.
func things() {
	same("API", must(docker.Ping(ctx)).APIVersion, "1.51")
	same("OS", must(docker.Info(ctx)).OSType, "linux")
	listening, stop := context.WithCancel(ctx)
	heard, broken := docker.Events(listening, events.ListOptions{Filters: filters.NewArgs(filters.Arg("label", prefix+"label"))})

	kept := must(docker.VolumeCreate(ctx, volume.CreateOptions{Name: prefix + "v", Labels: map[string]string{"a": "b"}}))
	net := must(docker.NetworkCreate(ctx, prefix+"n", network.CreateOptions{Internal: true}))
	port := nat.Port("80/tcp")
	one := idle("a", container.HostConfig{
		Binds: []string{kept.Name + ":/data"}, PortBindings: nat.PortMap{port: {{HostIP: "127.0.0.1", HostPort: os.Getenv("PORT")}}},
	}, map[string]string{prefix + "label": ""})
	check(docker.NetworkConnect(ctx, net.ID, one, &network.EndpointSettings{Aliases: []string{"site"}}))
	found := must(docker.ContainerInspect(ctx, one))
	same("port", found.NetworkSettings.Ports[port][0].HostPort, os.Getenv("PORT"))
	same("alias", strings.Contains(strings.Join(found.NetworkSettings.Networks[prefix+"n"].Aliases, " "), "site"), true)
	same("mount", found.Mounts[0].Name, kept.Name)
	refused(docker.VolumeRemove(ctx, kept.Name, false), cerrdefs.IsConflict, "volume is in use")
	refused(docker.NetworkRemove(ctx, net.ID), cerrdefs.IsPermissionDenied, "has active endpoints")
	check(docker.NetworkDisconnect(ctx, net.ID, one, false))
	check(docker.NetworkRemove(ctx, net.ID))
	_, err := docker.NetworkInspect(ctx, prefix+"none", network.InspectOptions{})
	refused(err, cerrdefs.IsNotFound, "network "+prefix+"none not found")
	_, err = docker.VolumeInspect(ctx, prefix+"none")
	refused(err, cerrdefs.IsNotFound, "no such volume")

	files(one)
	check(docker.ContainerKill(ctx, one, "KILL"))
	made := must(docker.ContainerCommit(ctx, one, container.CommitOptions{Reference: prefix + "made:1", Comment: "why"}))
	same("an image", strings.HasPrefix(made.ID, "sha256:"), true)
	check(docker.ContainerRemove(ctx, one, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	check(docker.VolumeRemove(ctx, kept.Name, false))
	actions := map[events.Action]bool{}
	for !actions[events.ActionDestroy] {
		select {
		case event := <-heard:
			actions[event.Action] = true
		case err := <-broken:
			panic(err)
		}
	}
	stop()
	for _, action := range []events.Action{events.ActionCreate, events.ActionStart, events.ActionKill, events.ActionDie, events.ActionCommit} {
		same(string(action), actions[action], true)
	}
	images()
}

// files goes both ways through archives.
func files(id string) {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	check(writer.WriteHeader(&tar.Header{Name: "file", Size: 7, Mode: 0o640, Uid: 12}))
	must(writer.Write([]byte("content")))
	check(writer.Close())
	check(docker.CopyToContainer(ctx, id, "/data", &packed, container.CopyToContainerOptions{CopyUIDGID: true}))
	content, stat, err := docker.CopyFromContainer(ctx, id, "/data/file")
	check(err)
	same("size", stat.Size, 7)
	reader := tar.NewReader(content)
	header := must(reader.Next())
	same("owner", header.Uid, 12)
	same("content", string(must(io.ReadAll(reader))), "content")
	_, _, err = docker.CopyFromContainer(ctx, id, "/none")
	refused(err, cerrdefs.IsNotFound, "Could not find the file /none in container")
}

// images go to a registry and come back.
func images() {
	name := os.Getenv("REGISTRY") + "/" + prefix + "image:1"
	check(docker.ImageTag(ctx, prefix+"made:1", name))
	nobody := must(registry.EncodeAuthConfig(registry.AuthConfig{}))
	finished(must(docker.ImagePush(ctx, name, imagetypes.PushOptions{RegistryAuth: nobody})))
	for _, one := range []string{name, prefix + "made:1"} {
		must(docker.ImageRemove(ctx, one, imagetypes.RemoveOptions{}))
	}
	_, err := docker.ImageInspect(ctx, name)
	refused(err, cerrdefs.IsNotFound, "No such image")
	finished(must(docker.ImagePull(ctx, name, imagetypes.PullOptions{})))
	same("comment", must(docker.ImageHistory(ctx, name))[0].Comment, "why")
	saved := must(io.ReadAll(must(docker.ImageSave(ctx, []string{name}))))
	must(docker.ImageRemove(ctx, name, imagetypes.RemoveOptions{}))
	loaded := must(docker.ImageLoad(ctx, bytes.NewReader(saved), client.ImageLoadWithQuiet(true)))
	same("loaded", strings.Contains(string(must(io.ReadAll(loaded.Body))), name), true)
	must(docker.ImageRemove(ctx, name, imagetypes.RemoveOptions{}))
	_, err = docker.ImagePull(ctx, os.Getenv("REGISTRY")+"/"+prefix+"none:1", imagetypes.PullOptions{})
	refused(err, cerrdefs.IsNotFound, "manifest unknown")
}

// finished reads the steps of a transfer; none of them may be an error.
func finished(steps io.ReadCloser) {
	defer steps.Close()
	for decoder := json.NewDecoder(steps); ; {
		var step struct{ Error string }
		if err := decoder.Decode(&step); err == io.EOF {
			return
		} else if check(err); step.Error != "" {
			panic(step.Error)
		}
	}
}
