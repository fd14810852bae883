"""Signs requests with botocore, AWS's own library: the oracle of sigv4_real_test.cc.

Reads one JSON object a line: service, region, method, url, headers, payload_sha256, timestamp,
access_key, secret_key, token. Writes the Authorization header for each.
"""

import json
import sys

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def sign(case):
    credentials = Credentials(case["access_key"], case["secret_key"], case["token"] or None)
    base = S3SigV4Auth if case["service"] == "s3" else SigV4Auth

    class Auth(base):
        def payload(self, request):
            return case["payload_sha256"]

    auth = Auth(credentials, case["service"], case["region"])
    headers = dict(case["headers"])
    if case["service"] == "s3":
        headers["X-Amz-Content-SHA256"] = case["payload_sha256"]
    request = AWSRequest(method=case["method"], url=case["url"], headers=headers)
    # What add_auth() does, at a time of our choosing.
    request.context["timestamp"] = case["timestamp"]
    request.context["payload_signing_enabled"] = True
    auth._modify_request_before_signing(request)
    if case["service"] == "s3":
        request.headers.replace_header("X-Amz-Content-SHA256", case["payload_sha256"])
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return request.headers["Authorization"]


for line in sys.stdin:
    print(sign(json.loads(line)))
