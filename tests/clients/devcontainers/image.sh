# A container from an image: made, entered, found again, stopped, started, made anew.
. "$SCRIPTS/_env.sh"

cat > project/.devcontainer/devcontainer.json <<EOF
{
  "name": "from an image",
  "image": "$IMAGE",
  "remoteUser": "root",
  "containerEnv": { "FROM_CONTAINER": "c" },
  "remoteEnv": { "FROM_REMOTE": "\${containerEnv:FROM_CONTAINER}r" },
  "mounts": [{ "source": "${PREFIX}cache", "target": "/cache", "type": "volume" }],
  "runArgs": ["--name=${PREFIX}dev", "--hostname=dev", "-p", "127.0.0.1:$PORT:8080"],
  "init": true,
  "capAdd": ["SYS_PTRACE"],
  "securityOpt": ["seccomp=unconfined"],
  "initializeCommand": "echo initialized > initialized",
  "onCreateCommand": "echo created > created",
  "updateContentCommand": ["sh", "-c", "echo updated > updated"],
  "postCreateCommand": { "one": "echo one > one", "two": ["sh", "-c", "echo two > two"] },
  "postStartCommand": "echo started >> started",
  "postAttachCommand": "echo attached >> attached"
}
EOF
said=$(dev up)
has up "$said" '"outcome":"success"'
has up "$said" '"remoteWorkspaceFolder":"/workspaces/project"'
id=$(docker inspect --format '{{.Id}}' "${PREFIX}dev")
has up "$said" "\"containerId\":\"$id\""

# Every command ran once, in its place: the folder is the same on both sides.
same ran "$(cd project && cat initialized created updated one two started attached | tr '\n' ' ')" \
    "initialized created updated one two started attached "

same exec "$(dev exec sh -c 'pwd; echo $FROM_CONTAINER $FROM_REMOTE; hostname; id -u' | tr '\n' ' ')" "/workspaces/project c cr dev 0 "
code=0
dev exec sh -c 'exit 5' || code=$?
same code "$code" 5
dev exec touch /cache/kept
same ptrace "$(docker inspect --format '{{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}}' "$id")" "[CAP_SYS_PTRACE] [seccomp=unconfined]"
same init "$(docker exec "$id" cat /proc/1/comm)" docker-init

# The same one again, running or stopped.
has again "$(dev up)" "\"containerId\":\"$id\""
same attached "$(cat project/attached | tr '\n' ' ')" "attached attached "
same started "$(cat project/started)" started
docker stop -t 1 "$id"
has stopped "$(dev up)" "\"containerId\":\"$id\""
same started "$(cat project/started | tr '\n' ' ')" "started started "

has commands "$(dev run-user-commands)" '"outcome":"success"'
read=$(dev read-configuration --include-merged-configuration)
has configuration "$read" '"FROM_REMOTE":"cr"'
has merged "$read" '"postCreateCommands":[{"one":'

has anew "$(dev up --remove-existing-container)" '"outcome":"success"'
[ "$(docker inspect --format '{{.Id}}' "${PREFIX}dev")" != "$id" ] || fail "the container is the old one"
dev exec test -e /cache/kept
