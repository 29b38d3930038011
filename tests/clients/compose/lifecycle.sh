# Services stop, start, pause, are killed and waited for, grow and shrink.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sleep 600
    init: true
    stop_grace_period: 20s
    restart: unless-stopped
  deaf:
    image: $IMAGE
    command: sh -c 'trap "" TERM; touch /deaf; while true; do sleep 0.1; done'
    stop_grace_period: 1s
  brief:
    image: $IMAGE
    command: sh -c 'sleep \$BRIEF; exit 4'
EOF
export BRIEF=1
state() { compose ps -a --format '{{.State}}' "$1"; }
exits() { compose ps -a --format '{{.ExitCode}}' "$1"; }

compose create
same created "$(state one)" created
compose start
same started "$(state one)" running
until_ok compose exec -T deaf test -e /deaf
compose stop one deaf
same stopped "$(state one) $(exits one)" "exited 143"
same killed "$(state deaf) $(exits deaf)" "exited 137"
compose start one
first=$(docker inspect -f '{{.State.StartedAt}}' "${PREFIX}p-one-1")
compose restart one
[ "$first" != "$(docker inspect -f '{{.State.StartedAt}}' "${PREFIX}p-one-1")" ] || fail "restart did nothing"
compose pause one
same paused "$(state one)" paused
compose unpause one
same unpaused "$(state one)" running
compose kill -s KILL one
same "kill is final" "$(state one) $(exits one)" "exited 137"

# It finds only what still runs, and says so if nothing does: a slow machine needs one that runs for longer.
for BRIEF in 1 8 64; do
    code=0
    compose up -d --no-deps brief
    said=$(compose wait brief 2>&1) || code=$?
    case "$said" in *"no containers for project"*) ;; *) break ;; esac
done
same "waited: $said" "$code" 4

compose up -d --scale one=3 --no-deps one
same scaled "$(compose ps -q one | wc -l | tr -d ' ')" 3
compose scale one=1
same shrunk "$(compose ps -aq one | wc -l | tr -d ' ')" 1
before=$(compose ps -q one)
compose up -d --force-recreate --no-deps one
[ "$before" != "$(compose ps -q one)" ] || fail "not made again"
compose rm -f -s one
same removed "$(compose ps -aq one)" ""
compose down -t 0
