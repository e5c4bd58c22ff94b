"""Temporary credentials as an SDK gets and uses them: in headers, URLs, forms, parts and frames, until they are gone.

Arguments: the endpoint, and the roots that it is verified with.
"""

import json
import ssl
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, ROOTS = sys.argv[1:3]


def client(service, credentials=None, **config):
    named = {}
    if credentials:
        named = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }
    if service == "s3":
        config["s3"] = {"addressing_style": "path"}
    config = Config(retries={"total_max_attempts": 1}, **config)
    return boto3.client(service, endpoint_url=ENDPOINT, verify=ROOTS, config=config, **named)


def refusal(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def fetch(url, method="GET", data=None, headers=None):
    context = ssl.create_default_context(cafile=ROOTS)
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    with urllib.request.urlopen(request, context=context) as answer:
        return answer.read()


sts = client("sts")
caller = sts.get_caller_identity()
role = f"arn:aws:iam::{caller['Account']}:role/root"
assert caller["Arn"] == f"arn:aws:iam::{caller['Account']}:root", caller
client("s3").create_bucket(Bucket="sessions")

assumed = sts.assume_role(RoleArn=role, RoleSessionName="nightly", DurationSeconds=900)
assert assumed["AssumedRoleUser"]["Arn"].endswith(":assumed-role/root/nightly"), assumed
credentials = assumed["Credentials"]
assert credentials["Expiration"].timestamp() > 0
assert client("sts", credentials).get_caller_identity()["Arn"] == assumed["AssumedRoleUser"]["Arn"]

s3 = client("s3", credentials)
s3.put_object(Bucket="sessions", Key="a b+c", Body=b"body")
assert s3.get_object(Bucket="sessions", Key="a b+c")["Body"].read() == b"body"
upload = s3.create_multipart_upload(Bucket="sessions", Key="parts")["UploadId"]
part = s3.upload_part(Bucket="sessions", Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
s3.complete_multipart_upload(Bucket="sessions", Key="parts", UploadId=upload, MultipartUpload=parts)

for version in ["s3v4", "s3"]:
    signer = client("s3", credentials, signature_version=version)
    url = signer.generate_presigned_url("get_object", Params={"Bucket": "sessions", "Key": "a b+c"}, ExpiresIn=60)
    assert "oken=" in url and fetch(url) == b"body", url
    url = signer.generate_presigned_url("put_object", Params={"Bucket": "sessions", "Key": version}, ExpiresIn=60)
    fetch(url, method="PUT", data=b"presigned", headers={"content-type": ""})
    form = signer.generate_presigned_post("sessions", "form-" + version)
    assert "x-amz-security-token" in form["fields"], form
    lines = []
    for name, value in form["fields"].items():
        lines += ["--b0undary", f'Content-Disposition: form-data; name="{name}"', "", value]
    lines += ["--b0undary", 'Content-Disposition: form-data; name="file"; filename="f"', "", "posted", "--b0undary--", ""]
    kind = {"content-type": "multipart/form-data; boundary=b0undary"}
    fetch(form["url"], method="POST", data="\r\n".join(lines).encode(), headers=kind)
    assert s3.get_object(Bucket="sessions", Key="form-" + version)["Body"].read() == b"posted"

policy = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::sessions/a b+c"},
}
limited = sts.assume_role(RoleArn=role, RoleSessionName="limited", Policy=json.dumps(policy, indent=2))["Credentials"]
reader = client("s3", limited)
assert reader.get_object(Bucket="sessions", Key="a b+c")["Body"].read() == b"body"
assert refusal(lambda: reader.get_object(Bucket="sessions", Key="parts")) == "AccessDenied"
assert refusal(lambda: reader.put_object(Bucket="sessions", Key="a b+c", Body=b"")) == "AccessDenied"

same = sts.get_session_token()["Credentials"]
client("s3", same).head_bucket(Bucket="sessions")
mixed = dict(same, SessionToken=limited["SessionToken"])
assert refusal(lambda: client("s3", mixed).list_objects_v2(Bucket="sessions")) == "InvalidToken"
assert refusal(lambda: client("sts", mixed).get_caller_identity()) == "InvalidClientTokenId"
other = role.replace("role/root", "role/other")
assert refusal(lambda: sts.assume_role(RoleArn=other, RoleSessionName="other")) == "AccessDenied"
