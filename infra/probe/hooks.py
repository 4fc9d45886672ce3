"""Makes the prober hold the API to more than its description tells clients.

* The API reads null as an absent member. The description leaves that out for the generators of clients; without it here,
  the prober would take each null for a mistake that the API overlooked.
* The objects of answers are open for later versions. This version has no member that is not described.
"""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    # The prober may call this several times for one document.
    if raw_schema.get("x-probed"):
        return
    raw_schema["x-probed"] = True
    for schema in raw_schema["components"]["schemas"].values():
        properties = schema.get("properties")
        if properties is None:
            continue
        if schema.get("additionalProperties") is False:
            for name, member in properties.items():
                if name not in schema.get("required", []):
                    properties[name] = {"anyOf": [member, {"type": "null"}]}
        else:
            schema["additionalProperties"] = False
