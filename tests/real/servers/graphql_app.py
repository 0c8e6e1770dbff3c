"""Strawberry GraphQL: the rows as a connection. Started with: ROWS.json PORT FOLDER."""

import json
import sys

import strawberry
import uvicorn
from starlette.applications import Starlette
from strawberry import relay
from strawberry.asgi import GraphQL
from strawberry.scalars import JSON

ROWS_FILE, PORT, _ = sys.argv[1:4]
with open(ROWS_FILE, encoding="utf-8") as file:
    ROWS = json.load(file)


@strawberry.type
class Row:
    # Numbers of more than 32 bits are no `Int`.
    row: JSON
    id: int
    name: str
    note: str | None
    score: float | None
    flag: bool
    team: int


def of_json(row):
    plain = {name: value for name, value in row.items() if name not in ("big", "nested")}
    return Row(row=row, **plain)


@strawberry.type
class Query:
    @relay.connection(relay.ListConnection[Row])
    def rows(self) -> list[Row]:
        return [of_json(row) for row in ROWS]

    @strawberry.field
    def version(self) -> str:
        return "1"


app = Starlette()
app.mount("/graphql", GraphQL(strawberry.Schema(query=Query)))

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning")
