"""Datasette over a SQLite file with the table `rows`. Started with: ROWS.json PORT FOLDER."""

import json
import os
import sqlite3
import sys

ROWS, PORT, FOLDER = sys.argv[1:4]
DATABASE = os.path.join(FOLDER, "real.db")
COLUMNS = ["id", "name", "note", "big", "score", "flag", "team", "nested"]


def fill():
    with open(ROWS, encoding="utf-8") as file:
        rows = json.load(file)
    for row in rows:
        row["nested"] = json.dumps(row["nested"])
    database = sqlite3.connect(DATABASE)
    database.execute(
        "create table rows (id integer primary key, name text, note text, big integer,"
        " score float, flag integer, team integer, nested text)"
    )
    places = ", ".join(f":{column}" for column in COLUMNS)
    database.executemany(f"insert into rows values ({places})", rows)
    database.commit()
    database.close()


if not os.path.exists(DATABASE):
    fill()
settings = ["--setting", "default_page_size", "50", "--setting", "suggest_facets", "off"]
program = os.path.join(os.path.dirname(sys.executable), "datasette")
os.execv(
    sys.executable,
    [sys.executable, program, "serve", DATABASE, "--host", "127.0.0.1", "--port", PORT, *settings],
)
