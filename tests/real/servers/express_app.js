// Express: ranges of rows in the header `Range`, totals in `Content-Range`.
// Started with: ROWS.json PORT, and where its packages are in NODE_PATH.

const fs = require("fs");
const express = require("express");

const [rowsFile, port] = process.argv.slice(2);
const rows = JSON.parse(fs.readFileSync(rowsFile, "utf8"));
const PAGE = 50;

const app = express();

app.get("/rows", (request, response) => {
  const asked = request.range(rows.length);
  const isAsked = Array.isArray(asked) && asked.type === "items";
  if (asked === -1) {
    response.set("Content-Range", `items */${rows.length}`);
    return response.status(416).end();
  }
  const { start, end } = isAsked ? asked[0] : { start: 0, end: PAGE - 1 };
  const last = Math.min(end, start + 2 * PAGE - 1, rows.length - 1);
  response.set("Accept-Ranges", "items");
  response.set("Content-Range", `items ${start}-${last}/${rows.length}`);
  response.status(isAsked ? 206 : 200).json(rows.slice(start, last + 1));
});

app.listen(Number(port), "127.0.0.1");
