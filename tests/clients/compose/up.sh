# Projects come up, are listed, and go with all that belongs to them.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sleep 600
    init: true
  two:
    image: $IMAGE
    command: sleep 600
    init: true
    depends_on: [one]
EOF
same version "$(compose version --short | cut -d. -f1)" 2
compose up -d
same services "$(compose ps --services | sort | tr '\n' ' ')" "one two "
same name "$(compose ps --format '{{.Name}}' one)" "${PREFIX}p-one-1"
has ls "$(compose ls)" "${PREFIX}p"
# Nothing changed: nothing is made again.
before=$(compose ps -q one)
compose up -d
same again "$(compose ps -q one)" "$before"
compose down
same down "$(docker ps -aq --filter "label=com.docker.compose.project=${PREFIX}p")" ""
same networks "$(docker network ls -q --filter "name=${PREFIX}p")" ""
