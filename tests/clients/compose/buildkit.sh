# Services made from Dockerfiles, by BuildKit's protocol, as compose does it unless told otherwise.
. "$SCRIPTS/_env.sh"

unset DOCKER_BUILDKIT
mkdir app
cat > app/Dockerfile <<EOF
# syntax=docker/dockerfile:1
FROM $IMAGE AS base
ARG WHO=nobody
RUN --mount=type=secret,id=word cat /run/secrets/word > /word; echo "\$WHO" > /who
FROM base AS last
COPY --from=more more /more
COPY --chmod=600 file /file
CMD cat /word /who /more /file
EOF
echo one > app/file
mkdir other
echo more > other/more
echo secret > word
cat > compose.yaml <<EOF
services:
  one:
    image: ${PREFIX}one:1
    build:
      context: app
      target: last
      args: {WHO: me}
      labels: {a: b}
      secrets: [word]
      additional_contexts: {more: ./other}
  two:
    build:
      dockerfile_inline: |
        FROM $IMAGE
        RUN echo in line > /said
        CMD cat /said
  three:
    image: ${PREFIX}three:1
    build:
      dockerfile_inline: |
        FROM two
        RUN echo on top >> /said
        COPY --from=first /who /who
        CMD cat /said /who
      additional_contexts: {two: "service:two", first: "service:one"}
secrets:
  word: {file: ./word}
EOF
compose build
same label "$(docker inspect --format '{{.Config.Labels.a}}' "${PREFIX}one:1")" b
same "what it has" "$(compose run --rm -T one)" "$(printf 'secret\nme\nmore\none')"
same "in line" "$(compose run --rm -T two)" "in line"
same "on another service's image" "$(docker run --rm "${PREFIX}three:1")" "$(printf 'in line\non top\nme')"
echo two > app/file
compose up -d --build one
compose wait one > /dev/null || true
has "the new file" "$(compose logs --no-log-prefix one)" two
compose down -t 0 --rmi all
refused "No such image" docker image inspect "${PREFIX}one:1"
echo 'RUN exit 3' >> app/Dockerfile
refused "exit code: 3" compose build one
