"""Makes half of what schemathesis thinks up meet something that is there.

The choice depends on the made-up values alone, so that a seed gives the same run again.
"""

import schemathesis

THERE = {
    "/containers/": ["fuzz-0", "fuzz-1", "fuzz-2", "fuzz-3"],
    "/images/": ["busybox", "fuzz:1"],
    "/networks/": ["fuzz-net", "bridge"],
    "/volumes/": ["fuzz-volume"],
}


def _choice(value, names, made_up):
    """One of the names, or what was made up instead: as all of `value` decides."""
    number = sum(str(value).encode("utf-8", "surrogatepass"))
    return names[number // 2 % len(names)] if number % 2 else made_up


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not isinstance(path_parameters, dict):
        return path_parameters
    for prefix, names in THERE.items():
        if context.operation.path.startswith(prefix):
            for key in ("id", "name"):
                if key in path_parameters:
                    path_parameters[key] = _choice(path_parameters[key], names, path_parameters[key])
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    # A stop that waits for years, or for ever, is answered after them: that is no hang.
    if isinstance(query, dict) and "t" in query:
        try:
            query["t"] = int(query["t"]) % 2
        except (TypeError, ValueError):
            pass
    return query


@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict):
        if context.operation.path == "/containers/create":
            body["Image"] = _choice(body, ["busybox"], body.get("Image"))
        if context.operation.path in ("/networks/{id}/connect", "/networks/{id}/disconnect"):
            body["Container"] = _choice(body, THERE["/containers/"], body.get("Container"))
    return body


@schemathesis.serializer("application/x-tar")
def archive(context, value):
    # Whatever it is: of archives the specification says no more than that.
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
