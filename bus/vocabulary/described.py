"""Models whose JSON Schema has the docstring under each field.

Pydantic's option for this, `use_attribute_docstrings`, reads the source of every class as it is made, which took an
eighth of the start of each of a lab's processes. Here the source is read when somebody asks for a description.
"""

import ast
import inspect
from functools import cache
from itertools import pairwise
from textwrap import dedent

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Described(BaseModel):
    """A model that describes its fields by the docstrings under them."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """Return the JSON Schema with the descriptions of the fields."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name in properties.keys() & field_docs(cls).keys():
            properties[name].setdefault("description", field_docs(cls)[name])
        return schema


@cache
def field_docs(model: type[Described]) -> dict[str, str]:
    """Return the docstring under each field of a model and of the models that it extends, by the field's name."""
    docs: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, Described):
            docs |= _docs_in(kind)
    return docs


@cache
def _docs_in(kind: type) -> dict[str, str]:
    """Return the docstrings in the body of one class."""
    (definition,) = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text)
        for field, following in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if isinstance(text := following.value.value, str)
    }
