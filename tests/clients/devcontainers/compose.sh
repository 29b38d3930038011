# A service of a compose project, and the services beside it.
. "$SCRIPTS/_env.sh"

cat > project/.devcontainer/devcontainer.json <<EOF
{
  "name": "a service",
  "dockerComposeFile": ["../compose.yaml", "compose.dev.yaml"],
  "service": "app",
  "runServices": ["pages"],
  "workspaceFolder": "/workspace",
  "overrideCommand": true,
  "remoteUser": "root",
  "postCreateCommand": "wget -q -O reached http://pages:8080/"
}
EOF
cat > project/compose.yaml <<EOF
name: ${PREFIX}project
services:
  app:
    image: $IMAGE
    command: "false"
    environment: { WORD: w }
    stop_signal: KILL
  pages:
    image: $IMAGE
    command: [sh, -c, "mkdir /www; echo paged > /www/index.html; exec httpd -f -p 8080 -h /www"]
    stop_signal: KILL
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8080/"]
      interval: 1s
  unused:
    image: $IMAGE
EOF
cat > project/.devcontainer/compose.dev.yaml <<EOF
services:
  app:
    volumes: [".:/workspace"]
    depends_on: { pages: { condition: service_healthy } }
EOF
said=$(dev up)
has up "$said" '"outcome":"success"'
has up "$said" "\"composeProjectName\":\"${PREFIX}project\""
same reached "$(cat project/reached)" paged
services=$(docker ps --filter "label=com.docker.compose.project=${PREFIX}project" --format '{{.Label "com.docker.compose.service"}}')
same services "$(echo "$services" | sort | tr '\n' ' ')" "app pages "
same exec "$(dev exec sh -c 'pwd; echo $WORD' | tr '\n' ' ')" "/workspace w "
has again "$(dev up)" '"outcome":"success"'
docker compose -p "${PREFIX}project" down -v
