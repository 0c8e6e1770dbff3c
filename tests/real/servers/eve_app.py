"""Eve, with mongomock in the place of MongoDB. Started with: ROWS.json PORT FOLDER."""

import json
import sys

import eve.io.mongo.flask_pymongo as eve_mongo
import mongomock
from eve import Eve
from waitress import serve

ROWS, PORT, _ = sys.argv[1:4]
eve_mongo.MongoClient = mongomock.MongoClient

FIELDS = {
    "id": {"type": "integer"},
    "name": {"type": "string"},
    "note": {"type": "string", "nullable": True},
    "big": {"type": "integer"},
    "score": {"type": "float", "nullable": True},
    "flag": {"type": "boolean"},
    "team": {"type": "integer"},
    "nested": {"type": "dict", "allow_unknown": True},
}
BY_ID = {"id_field": "id", "item_lookup_field": "id", "item_url": "int", "schema": FIELDS}
SETTINGS = {
    "MONGO_DBNAME": "real",
    "DOMAIN": {
        "rows": {**BY_ID, "resource_methods": ["GET"], "item_methods": ["GET"]},
        # Written by the tests. Eve makes the ids.
        "notes": {
            "resource_methods": ["GET", "POST"],
            "item_methods": ["GET", "PUT", "PATCH", "DELETE"],
            "schema": {name: rule for name, rule in FIELDS.items() if name != "id"},
        },
    },
    "PAGINATION_DEFAULT": 50,
    "PAGINATION_LIMIT": 400,
}

app = Eve(settings=SETTINGS)
with app.app_context(), open(ROWS, encoding="utf-8") as file:
    app.data.driver.db["rows"].insert_many(json.load(file))

if __name__ == "__main__":
    serve(app, host="127.0.0.1", port=int(PORT), threads=8, ident=None)
