package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	imagetypes "github.com/docker/docker/api/types/image"
)

func init() { nouns["builds"] = builds }

// Images from Dockerfiles.
func builds() {
	name, who := prefix+"built:1", "me"
	dockerfile := "FROM " + image + " AS base\nARG WHO=nobody\nRUN echo $WHO >/who\nFROM base\nCOPY file /file\n"
	options := build.ImageBuildOptions{
		Tags: []string{name}, BuildArgs: map[string]*string{"WHO": &who}, Labels: map[string]string{"a": "b"}, Remove: true,
		Version: build.BuilderV1, Dockerfile: "sub/Other", NetworkMode: "none",
	}
	said, id := succeeded(built(options, map[string]string{"sub/Other": dockerfile, "file": "content"}))
	same("steps", strings.Contains(said, "Step 1/6 : FROM "+image+" AS base\n"), true)
	same("tagged", strings.Contains(said, "Successfully tagged "+name+"\n"), true)
	found := must(docker.ImageInspect(ctx, name))
	same("image", found.ID, id)
	same("label", found.Config.Labels["a"], "b")
	made := must(docker.ContainerCreate(ctx, &container.Config{Image: name, Cmd: []string{"true"}}, nil, nil, nil, prefix+"of")).ID
	for path, content := range map[string]string{"/who": "me\n", "/file": "content"} {
		packed, _, err := docker.CopyFromContainer(ctx, made, path)
		check(err)
		reader := tar.NewReader(packed)
		must(reader.Next())
		same(path, string(must(io.ReadAll(reader))), content)
	}
	check(docker.ContainerRemove(ctx, made, container.RemoveOptions{}))
	options.CacheFrom = []string{name}
	again, id := succeeded(built(options, map[string]string{"sub/Other": dockerfile, "file": "content"}))
	same("cached", strings.Count(again, " ---> Using cache\n"), 4)
	same("the same", id, found.ID)
	must(docker.ImageRemove(ctx, name, imagetypes.RemoveOptions{}))

	options = build.ImageBuildOptions{ForceRemove: true, SuppressOutput: true}
	said, _, err := built(options, map[string]string{"Dockerfile": "FROM " + image + "\nRUN echo why; exit 3\n"})
	same("failed", err != nil && strings.Contains(err.Error(), "returned a non-zero code: 3"), true)
	same("what it said", strings.Contains(said, "why\n"), true)
	_, _, err = built(options, map[string]string{"Dockerfile": "FROM " + image + "\nCPY a b\n"})
	refused(err, cerrdefs.IsInvalidArgument, "unknown instruction: CPY (did you mean COPY?)")
}

func succeeded(said, id string, err error) (string, string) {
	check(err)
	return said, id
}

// built is what a build of these files says, and its image.
func built(options build.ImageBuildOptions, files map[string]string) (string, string, error) {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	for name, content := range files {
		check(writer.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}))
		must(writer.Write([]byte(content)))
	}
	check(writer.Close())
	answer, err := docker.ImageBuild(ctx, &packed, options)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	var said strings.Builder
	var id string
	for decoder := json.NewDecoder(answer.Body); ; {
		var step struct {
			Stream, Error string
			Aux           struct{ ID string }
		}
		if err := decoder.Decode(&step); err == io.EOF {
			return said.String(), id, nil
		} else if check(err); step.Error != "" {
			return said.String(), id, errors.New(step.Error)
		}
		said.WriteString(step.Stream)
		if step.Aux.ID != "" {
			id = step.Aux.ID
		}
	}
}
