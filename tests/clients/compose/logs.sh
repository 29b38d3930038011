# Logs: of all services, of one, followed to the end, cut by lines and time.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sh -c 'for i in 1 2 3 4 5; do echo out\$\$i; done; echo err >&2'
  two:
    image: $IMAGE
    command: sh -c 'echo before; while [ ! -e /go ]; do sleep 0.1; done; echo after'
EOF
compose up -d
until_ok sh -c "\"$DOCKER\" compose ps -a --format '{{.State}}' one | grep exited"
same lines "$(compose logs --no-log-prefix one | grep -c '^out')" 5
has errors "$(compose logs --no-log-prefix one)" err
until_ok sh -c "\"$DOCKER\" compose logs --no-log-prefix two | grep before"
same tail "$(compose logs --no-log-prefix --tail 1 two)" before
has prefix "$(compose logs --no-color two)" "two-1  | before"
case "$(compose logs -t --no-log-prefix --tail 1 two)" in 20*Z*before) ;; *) fail timestamps ;; esac
same since "$(compose logs --no-log-prefix --since 2100-01-01T00:00:00Z two)" ""

compose logs -f --no-log-prefix two > followed 2>&1 &
awaits before followed
compose exec -T two touch /go
wait $!
same followed "$(head -2 followed | tr '\n' ' ')" "before after "

# Attached: what they say, and the code of the one that decides.
code=0
said=$(compose up --exit-code-from one --abort-on-container-exit one 2>&1) || code=$?
same code "$code" 0
has attached "$said" "out5"
compose down
