# Images: pulled when missing, pushed, listed; a service made into one.
. "$SCRIPTS/_env.sh"

repository="$REGISTRY/${PREFIX}image"
docker tag "$IMAGE" "$repository:1"
cat > compose.yaml <<EOF
services:
  one:
    image: $repository:1
    command: sleep 600
    init: true
EOF
docker push -q "$repository:1" > /dev/null
docker rmi "$repository:1" > /dev/null
compose pull
docker rmi "$repository:1" > /dev/null
compose up -d --pull missing
has images "$(compose images)" "$repository"
compose exec -T one sh -c 'echo made > /made'
compose commit one "${PREFIX}made:1"
same committed "$(docker run --rm "${PREFIX}made:1" cat /made)" made
compose export -o one.tar one
tar -tf one.tar | grep -q '^made$' || fail "not exported"
compose down -t 0 --rmi all
refused "No such image" docker image inspect "$repository:1"
cat > lost.yaml <<EOF
services:
  one: {image: "$REGISTRY/${PREFIX}none:1"}
EOF
refused "manifest unknown" compose -f lost.yaml pull
refused "No such image" compose -f lost.yaml up -d --pull never
