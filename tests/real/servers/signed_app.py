"""Rows behind signatures: `/aws` for AWS's, which botocore computes, and `/jwt` behind tokens that
`/jwt/token` grants for assertions, which PyJWT verifies. Started with: ROWS.json PORT FOLDER."""

import datetime
import json
import pathlib
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

rows, port, _ = sys.argv[1:4]
ROWS = json.loads(pathlib.Path(rows).read_text())
KEY = pathlib.Path(__file__).parents[2].joinpath("suite/keys/public.pem").read_text()
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def is_signed(request, body):
    """Whether botocore signs what came in this way."""
    scheme, _, fields = request.headers.get("authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return False
    fields = dict(field.strip().split("=", 1) for field in fields.split(","))
    _, day, region, service, _ = fields["Credential"].split("/")
    when = request.headers["x-amz-date"]
    now = datetime.datetime.now(datetime.timezone.utc)
    sent = datetime.datetime.strptime(when, "%Y%m%dT%H%M%S%z")
    if abs((now - sent).total_seconds()) > 900 or not when.startswith(day):
        return False
    names = fields["SignedHeaders"].split(";")
    headers = {name: request.headers[name] for name in names}
    url = f"http://{request.headers['host']}{request.path}"
    made = AWSRequest(request.command, url, data=body, headers=headers)
    made.context["timestamp"] = when
    made.context["signing"] = {}
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    signer = kind(Credentials("AKIDEXAMPLE", SECRET), service, region)
    signer.headers_to_sign = lambda _: made.headers
    text = signer.string_to_sign(made, signer.canonical_request(made))
    return signer.signature(text, made) == fields["Signature"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path.startswith("/aws/"):
            is_allowed = is_signed(self, b"")
        else:
            is_allowed = self.headers.get("authorization") == "Bearer granted"
        if not is_allowed:
            return self.answer(403, {"message": "SignatureDoesNotMatch"})
        page, size = int(query.get("page", 1)), int(query.get("size", 100))
        self.answer(200, {"rows": ROWS[(page - 1) * size : page * size], "total": len(ROWS)})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/aws/"):
            return self.answer(200 if is_signed(self, body) else 403, {})
        form = dict(urllib.parse.parse_qsl(body.decode()))
        audience = f"http://{self.headers['host']}/jwt/token"
        try:
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            options = {"require": ["exp", "iat", "iss", "aud", "jti"]}
            jwt.decode(form["assertion"], KEY, ["RS256"], audience=audience, options=options)
        except (AssertionError, KeyError, jwt.PyJWTError) as error:
            return self.answer(400, {"error": "invalid_grant", "error_description": str(error)})
        self.answer(200, {"access_token": "granted", "token_type": "bearer", "expires_in": 3599})


ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
