# A container from a Dockerfile, with a feature of the project's own installed in it; and the image alone.
. "$SCRIPTS/_env.sh"

cat > project/.devcontainer/Dockerfile <<EOF
ARG WORD=nobody
FROM $IMAGE AS base
ARG WORD
RUN echo "\$WORD" > /word
FROM base AS wanted
COPY project.txt /copied
FROM base AS unwanted
RUN exit 3
EOF
echo "of the project" > project/project.txt
mkdir -p project/.devcontainer/tool
cat > project/.devcontainer/tool/devcontainer-feature.json <<EOF
{ "id": "tool", "version": "1.0.0", "name": "A tool", "options": { "says": { "type": "string", "default": "nothing" } },
  "containerEnv": { "TOOL": "there" } }
EOF
cat > project/.devcontainer/tool/install.sh <<EOF
#!/bin/sh
printf '#!/bin/sh\necho %s\n' "\$SAYS" > /usr/bin/tool
chmod +x /usr/bin/tool
EOF

# configure MEMBERS…
configure() {
    cat > project/.devcontainer/devcontainer.json <<EOF
{ "name": "built", "build": { "dockerfile": "Dockerfile", "context": "..", "target": "wanted", "args": { "WORD": "$1" } },
  "remoteUser": "root", "runArgs": ["--name=${PREFIX}dev"]$2 }
EOF
}

configure one ""
has up "$(dev up)" '"outcome":"success"'
same built "$(dev exec cat /word /copied | tr '\n' ' ')" "one of the project "
image=$(docker inspect --format '{{.Image}}' "${PREFIX}dev")

# What has not changed is not made again.
has again "$(dev up --remove-existing-container)" '"outcome":"success"'
same image "$(docker inspect --format '{{.Image}}' "${PREFIX}dev")" "$image"

configure two ', "features": { "./tool": { "says": "hello" } }'
has feature "$(dev up --remove-existing-container)" '"outcome":"success"'
same built "$(dev exec cat /word)" two
same tool "$(dev exec tool)" hello
same variable "$(dev exec sh -c 'echo $TOOL')" there

has build "$(dev build --image-name "${PREFIX}image:1")" '"outcome":"success"'
same image "$(docker run --rm "${PREFIX}image:1" tool)" hello

echo 'RUN exit 7' >> project/.devcontainer/Dockerfile
sed -i 's/"target": "wanted"/"target": "unwanted"/' project/.devcontainer/devcontainer.json
code=0
dev up --remove-existing-container > said 2> log || code=$?
same code "$code" 1
has failure "$(cat said)" '"outcome":"error"'
has reason "$(cat log)" "exit code: 3"
