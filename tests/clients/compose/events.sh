# The events of a project, and of no other.
. "$SCRIPTS/_env.sh"

cat > compose.yaml <<EOF
services:
  one:
    image: $IMAGE
    command: sleep 600
    init: true
EOF
compose events --json > all &
listener=$!
# Shows that the listener is there: the first of these that it hears of.
until_ok sh -c "\"$DOCKER\" run --rm --label com.docker.compose.project=${PREFIX}p --label com.docker.compose.service=probe --label com.docker.compose.oneoff=False $IMAGE true; grep -q probe all"
compose up -d
compose pause
compose unpause
compose kill one
compose down
awaits '"action":"destroy".*"service":"one"' all
kill $listener
for action in create start pause unpause kill die destroy; do
    grep -q "\"action\":\"$action\".*\"service\":\"one\"" all || fail "no $action in $(cat all)"
done
has attributes "$(cat all)" "\"name\":\"${PREFIX}p-one-1\""
