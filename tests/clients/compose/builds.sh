# Services made from Dockerfiles, by the classic builder.
. "$SCRIPTS/_env.sh"

export DOCKER_BUILDKIT=0
mkdir app
cat > app/Dockerfile <<EOF
FROM $IMAGE AS base
ARG WHO=nobody
RUN echo "\$WHO" >/who
FROM base AS last
COPY file /file
CMD cat /who /file
EOF
echo one > app/file
cat > compose.yaml <<EOF
services:
  one:
    image: ${PREFIX}one:1
    build: {context: app, target: last, args: {WHO: me}, labels: {a: b}}
  two:
    build: {context: app, target: base, network: none, extra_hosts: ["mine:10.0.0.1"]}
    command: cat /who
EOF
compose build
same label "$(docker inspect --format '{{.Config.Labels.a}}' "${PREFIX}one:1")" b
same "what it has" "$(compose run --rm -T one)" "$(printf 'me\none')"
same "another stage" "$(compose run --rm -T two)" nobody
echo two > app/file
compose up -d --build one
compose wait one > /dev/null || true
has "the new file" "$(compose logs --no-log-prefix one)" two
compose down -t 0 --rmi all
refused "No such image" docker image inspect "${PREFIX}one:1"
echo 'RUN exit 3' >> app/Dockerfile
refused "returned a non-zero code: 3" compose build one
