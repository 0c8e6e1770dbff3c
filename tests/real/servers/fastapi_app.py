"""fastapi-pagination: by page, by limit and offset, by cursor, and with links.

Started with: ROWS.json PORT FOLDER.
"""

import json
import sys

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi_pagination import LimitOffsetPage, Page, add_pagination, paginate
from fastapi_pagination.cursor import CursorPage
from fastapi_pagination.ext.sqlalchemy import paginate as paginate_query
from fastapi_pagination.links import Page as LinkedPage
from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, Table, create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

ROWS_FILE, PORT, _ = sys.argv[1:4]
with open(ROWS_FILE, encoding="utf-8") as file:
    ROWS = json.load(file)

# Cursors are of a database. A row is one JSON column there.
TABLE = Table(
    "rows",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("team", Integer),
    Column("row", JSON),
)
ENGINE = create_engine(
    "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
)
TABLE.metadata.create_all(ENGINE)
with ENGINE.begin() as connection:
    rows = [{"id": row["id"], "team": row["team"], "row": row} for row in ROWS]
    connection.execute(TABLE.insert(), rows)

app = FastAPI()


def of_query(found):
    return [row for row, _id in found]


def of_team(team):
    return [row for row in ROWS if team is None or row["team"] == team]


@app.get("/page")
async def by_page(team: int | None = None) -> Page[dict]:
    return paginate(of_team(team))


@app.get("/offset")
async def by_offset(team: int | None = None) -> LimitOffsetPage[dict]:
    return paginate(of_team(team))


@app.get("/links")
async def with_links(team: int | None = None) -> LinkedPage[dict]:
    return paginate(of_team(team))


@app.get("/cursor")
async def by_cursor(team: int | None = None) -> CursorPage[dict]:
    query = select(TABLE.c.row, TABLE.c.id).order_by(TABLE.c.id)
    if team is not None:
        query = query.where(TABLE.c.team == team)
    with Session(ENGINE) as session:
        return paginate_query(session, query, unique=False, transformer=of_query)


@app.get("/{paging}/{id}")
async def one(paging: str, id: int) -> dict:
    if 1 <= id <= len(ROWS):
        return ROWS[id - 1]
    raise HTTPException(404)


add_pagination(app)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning")
