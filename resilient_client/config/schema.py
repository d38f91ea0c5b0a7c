"""The shape of a policy file, as pydantic models made from the policies' own rules, and as JSON Schema.

Validation is by shape: which tables and keys there are, and each value by itself. What several values must keep
together is checked when they have been put together from their layers.
"""

from __future__ import annotations

from dataclasses import fields
from types import NoneType
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    create_model,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

from resilient_client.config.client_keys import CLIENT_KEYS, EXTENDS, MATCH
from resilient_client.config.forms import OFF, Form, form_of
from resilient_client.policy import Policy
from resilient_client.rules import Part

TITLE: Final = "resilient_client policies"


def _off_to_none(value: Any) -> Any:
    return None if value == OFF else value


class _OrOff:
    """In JSON Schema, a table that may also be "off"."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [one for one in handler(core)["anyOf"] if one != {"type": "null"}] + [{"const": OFF}]}


def _value(form: Form) -> Any:
    return Annotated[Any, PlainValidator(form.read), WithJsonSchema(form.schema)]


def _section(model: type[BaseModel], *, optional: bool) -> Any:
    return Annotated[model | None, BeforeValidator(_off_to_none), _OrOff()] if optional else model


def _keys_of(policy: type) -> dict[str, Any]:
    """Return the keys of a policy's table as pydantic wants them: name to (type, field)."""
    keys: dict[str, Any] = {}
    for one in fields(policy):
        rule, meaning = one.metadata["rule"], one.metadata["meaning"]
        if isinstance(rule, Part):
            model = _model(rule.kind.__name__, rule.kind.__doc__ or "", _keys_of(rule.kind))
            keys[one.name] = (_section(model, optional=rule.optional), Field(default=None, description=meaning))
        elif (form := form_of(rule)) is not None:
            keys[one.name] = (_value(form), Field(default=form.write(one.default), description=meaning))
    return keys


def _model(name: str, doc: str, keys: dict[str, Any]) -> type[BaseModel]:
    summary = doc.partition("\n\n")[0].replace("\n", " ").strip()
    return create_model(name, __config__=ConfigDict(extra="forbid"), __doc__=summary, **keys)


def _with_forms(keys: dict[str, tuple[Form, str]]) -> dict[str, Any]:
    return {name: (_value(form), Field(default=None, description=meaning)) for name, (form, meaning) in keys.items()}


POLICY_KEYS: Final = _keys_of(Policy)

PresetModel: Final = _model(
    "Preset",
    "Values that clients, routes and other presets extend.",
    {**_with_forms({"extends": EXTENDS}), **POLICY_KEYS},
)
RouteModel: Final = _model(
    "Route",
    "Values for the calls of one method and URL template.",
    {
        "match": (_value(MATCH[0]), Field(description=MATCH[1])),
        **_with_forms({"extends": EXTENDS}),
        **POLICY_KEYS,
    },
)
ClientModel: Final = _model(
    "Client",
    "One downstream service.",
    {
        **_with_forms({"extends": EXTENDS, **CLIENT_KEYS}),
        **POLICY_KEYS,
        "routes": (list[RouteModel], Field(default=[], description="Calls that have values of their own.")),  # type: ignore[valid-type] # made above
    },
)
FileModel: Final = _model(
    TITLE,
    "Which services are called, and how long, how often and how many.",
    {
        "presets": (dict[str, PresetModel], Field(default={}, description="Named values to extend.")),  # type: ignore[valid-type]
        "clients": (dict[str, ClientModel], Field(default={}, description="The services, by name.")),  # type: ignore[valid-type]
    },
)


def model_at(path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the model of the table at `path` of a file, if there is one."""
    found: Any = FileModel
    for part in path:
        if isinstance(found, dict):
            found = found["each"]
        elif found is None or part not in found.model_fields:
            return None
        else:
            found = _inside(found.model_fields[part].annotation)
    return found if isinstance(found, type) else None


def _inside(annotation: Any) -> Any:
    """Return the model that a field holds; as `{"each": model}` when it holds many."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [one for one in getattr(annotation, "__args__", ()) if one not in {str, NoneType}]
    if not inner or not (isinstance(inner[-1], type) and issubclass(inner[-1], BaseModel)):
        return None
    return {"each": inner[-1]} if getattr(annotation, "__origin__", None) in {dict, list} else inner[-1]


class _Schema(GenerateJsonSchema):
    """JSON Schema without the titles that repeat each key's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - of all of them
        return False


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file, draft 2020-12."""
    made = FileModel.model_json_schema(schema_generator=_Schema)
    _drop_empty_defaults(made)
    return {"$schema": GenerateJsonSchema.schema_dialect, **made}


def _drop_empty_defaults(schema: Any) -> None:
    """Take out defaults that are nothing, for the sake of editors that would fill them in."""
    if isinstance(schema, dict):
        if "default" in schema and schema["default"] in (None, [], {}):
            del schema["default"]
        for inner in schema.values():
            _drop_empty_defaults(inner)
