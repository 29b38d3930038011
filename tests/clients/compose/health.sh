# Services that wait for others: healthy, completed, or not at all.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  base:
    image: $IMAGE
    command: sh -c 'touch /ready; sleep 600'
    init: true
    healthcheck:
      test: ["CMD", "test", "-e", "/ready"]
      interval: 1s
      start_interval: 200ms
      start_period: 60s
  setup:
    image: $IMAGE
    command: echo prepared
    depends_on:
      base: {condition: service_healthy}
  app:
    image: $IMAGE
    command: sleep 600
    init: true
    depends_on:
      setup: {condition: service_completed_successfully}
  sick:
    image: $IMAGE
    command: sleep 600
    init: true
    profiles: [sick]
    healthcheck: {test: "exit 1", interval: 200ms, retries: 2}
  follower:
    image: $IMAGE
    profiles: [sick]
    depends_on:
      sick: {condition: service_healthy}
  broken:
    image: $IMAGE
    command: "false"
    profiles: [broken]
  heir:
    image: $IMAGE
    profiles: [broken]
    depends_on:
      broken: {condition: service_completed_successfully}
EOF
compose up -d --wait base app
same health "$(compose ps --format '{{.Health}}' base)" healthy
has status "$(compose ps --format '{{.Status}}' base)" "(healthy)"
same completed "$(compose ps -a --format '{{.State}} {{.ExitCode}}' setup)" "exited 0"
refused "is unhealthy" compose --profile sick up -d follower
same "not started" "$(compose --profile sick ps -a --format '{{.State}}' follower)" created
refused "didn't complete successfully" compose --profile broken up -d heir
refused "is unhealthy" compose --profile sick up -d --wait sick
compose --profile '*' down -t 0
