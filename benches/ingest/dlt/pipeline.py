"""Copies `items` with dlt.

As its documentation describes it: by the rest_api source, or, with `--threads`, by a parallelized
transformer over the numbers of the pages, which is how pages of one endpoint are requested side by
side there.
"""

import argparse
from pathlib import Path

import dlt
from dlt.sources.helpers import requests
from dlt.sources.rest_api import rest_api_source

PER_PAGE = 100


def by_rest_api(base_url, write):
    return rest_api_source(
        {
            "client": {
                "base_url": f"{base_url}/",
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "total_path": "pagination.total_pages",
                },
            },
            "resources": [
                {
                    "name": "items",
                    "primary_key": "id",
                    "write_disposition": write,
                    "endpoint": {
                        "path": "items",
                        "params": {"per_page": PER_PAGE},
                        "data_selector": "data",
                    },
                },
            ],
        }
    )


def by_threads(base_url, write):
    def get(page):
        params = {"page": page, "per_page": PER_PAGE}
        return requests.get(f"{base_url}/items", params=params).json()

    @dlt.resource(name="pages")
    def pages():
        yield from range(1, get(1)["pagination"]["total_pages"] + 1)

    @dlt.transformer(
        data_from=pages,
        name="items",
        primary_key="id",
        write_disposition=write,
        parallelized=True,
    )
    def items(page):
        return get(page)["data"]

    return items


def destination(sink, target):
    """The destination, and the dataset in it."""
    if sink == "sqlite":
        # The dataset `main` is the file itself.
        return dlt.destinations.sqlalchemy(f"sqlite:///{target}"), "main"
    if sink == "parquet":
        return dlt.destinations.filesystem(bucket_url=Path(target).as_uri()), "bench"
    return dlt.destinations.postgres(target), "bench"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sink", choices=["sqlite", "postgres", "merge", "parquet"])
    parser.add_argument("base_url")
    parser.add_argument("target")
    parser.add_argument("home", help="where the pipeline keeps its state")
    parser.add_argument("--threads", action="store_true")
    args = parser.parse_args()
    write = "merge" if args.sink == "merge" else "append"
    read = by_threads if args.threads else by_rest_api
    to, dataset = destination(args.sink, args.target)
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        destination=to,
        dataset_name=dataset,
        pipelines_dir=args.home,
    )
    options = {"loader_file_format": "parquet"} if args.sink == "parquet" else {}
    print(pipeline.run(read(args.base_url, write), **options))


if __name__ == "__main__":
    main()
