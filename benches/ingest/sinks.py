"""Looks into sinks: `sinks.py count KIND TARGET TABLE` prints how many rows and how many different
ids there are; `sinks.py create KIND TARGET [--key]` makes the table `items`, for tools that want it
to be there."""

import argparse
from contextlib import closing
from pathlib import Path

COLUMNS = """id bigint not null, name text, email text, company text, country text, city text,
    created_at text, updated_at text, visits bigint, score double precision, active boolean,
    note text"""


def connect(kind, target):
    if kind == "sqlite":
        import sqlite3

        return sqlite3.connect(target)
    import psycopg2

    return psycopg2.connect(target)


def create(kind, target, has_key):
    key = ", primary key (id)" if has_key else ""
    with closing(connect(kind, target)) as connection:
        connection.cursor().execute(f"create table items ({COLUMNS}{key})")
        connection.commit()


def count(kind, target, table):
    if kind == "parquet":
        return count_parquet(target)
    with closing(connect(kind, target)) as connection:
        cursor = connection.cursor()
        cursor.execute(f"select count(*), count(distinct id) from {table}")
        return cursor.fetchone()


def count_parquet(target):
    import pyarrow.parquet as parquet

    files = [file for file in Path(target).rglob("*.parquet") if "_dlt" not in str(file)]
    ids = [id for file in files for id in parquet.read_table(file, columns=["id"])["id"].to_pylist()]
    return len(ids), len(set(ids))


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ["count", "create"]:
        arguments = verbs.add_parser(verb)
        arguments.add_argument("kind", choices=["sqlite", "postgres", "parquet"])
        arguments.add_argument("target")
        if verb == "count":
            arguments.add_argument("table")
        else:
            arguments.add_argument("--key", action="store_true")
    args = parser.parse_args()
    if args.verb == "count":
        print(*count(args.kind, args.target, args.table))
    else:
        create(args.kind, args.target, args.key)


if __name__ == "__main__":
    main()
