# What is said when a container does not come up, and when it does and its commands do not.
. "$SCRIPTS/_env.sh"

# configure MEMBERS…
configure() { echo "{ \"remoteUser\": \"root\", \"runArgs\": [\"--name=${PREFIX}dev\"], $1 }" > project/.devcontainer/devcontainer.json; }

# refused WHAT WORDS: `up` fails; its answer and its log have the words.
refused() {
    code=0
    said=$(dev up 2> log) || code=$?
    same "$1: code" "$code" 1
    has "$1" "$said" '"outcome":"error"'
    has "$1" "$said$(cat log)" "$2"
}

# The container stays, for whoever looks what is wrong.
configure "\"image\": \"$IMAGE\", \"postCreateCommand\": \"echo the reason >&2; exit 3\""
refused command "postCreateCommand from devcontainer.json failed"
has reason "$(cat log)" "the reason"
id=$(docker inspect --format '{{.Id}}' "${PREFIX}dev")
has left "$said" "\"containerId\":\"$id\""
same running "$(docker inspect --format '{{.State.Running}}' "$id")" true
docker rm -f "$id"

configure "\"image\": \"$IMAGE\", \"mounts\": [\"type=bind,source=$PWD/nothing,target=/n\"]"
refused mount "bind source path does not exist: $PWD/nothing"

configure "\"image\": \"$IMAGE\", \"mounts\": [\"type=volume,source=v,target=relative\"]"
refused mount "mount path must be absolute"

configure "\"image\": \"${REGISTRY:-127.0.0.1:1}/nobodys:1\""
# Its log of what it runs names the image, too: these words are the engine's.
refused image "Error response from daemon: No such image: ${REGISTRY:-127.0.0.1:1}/nobodys:1"

same exec "$(dev exec true 2>&1 > /dev/null | grep -o 'Dev container not found')" "Dev container not found"
