"""What infrastructure tools do to a bucket: they put its configurations, and read all of them at every refresh.

Asks every question about a bucket that the SDK's own model of S3 knows. Each must be answered, or be answered with
the documented error that says "there is none"; anything else would end a refresh.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

NONE = {
    "GetBucketAnalyticsConfiguration": "NoSuchConfiguration",
    "GetBucketCors": "NoSuchCORSConfiguration",
    "GetBucketEncryption": "ServerSideEncryptionConfigurationNotFoundError",
    "GetBucketIntelligentTieringConfiguration": "NoSuchConfiguration",
    "GetBucketInventoryConfiguration": "NoSuchConfiguration",
    "GetBucketLifecycle": "NoSuchLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "NoSuchLifecycleConfiguration",
    "GetBucketMetadataConfiguration": "MetadataConfigurationNotFound",
    "GetBucketMetadataTableConfiguration": "MetadataConfigurationNotFound",
    "GetBucketMetricsConfiguration": "NoSuchConfiguration",
    "GetBucketOwnershipControls": "OwnershipControlsNotFoundError",
    "GetBucketPolicy": "NoSuchBucketPolicy",
    "GetBucketPolicyStatus": "NoSuchBucketPolicy",
    "GetBucketReplication": "ReplicationConfigurationNotFoundError",
    "GetBucketTagging": "NoSuchTagSet",
    "GetBucketWebsite": "NoSuchWebsiteConfiguration",
    "GetObjectLockConfiguration": "ObjectLockConfigurationNotFoundError",
    "GetPublicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
}


def client(endpoint, roots):
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=endpoint, verify=roots, config=config)


def questions(s3):
    """Every operation that reads something of a bucket and needs no more than its name and an id."""
    model = s3.meta.service_model
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        required = set(shape.required_members) if shape else set()
        if name.startswith(("Get", "Head", "List")) and "Bucket" in required <= {"Bucket", "Id"}:
            yield name, "Id" in required


def refresh(s3, bucket):
    """Asks everything. Returns the answers."""
    methods = {operation: method for method, operation in s3.meta.method_to_api_mapping.items()}
    answers = {}
    for name, has_id in questions(s3):
        ask = getattr(s3, methods[name])
        try:
            answers[name] = ask(Bucket=bucket, **({"Id": "any"} if has_id else {}))
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert (status, code) == (404, NONE.get(name)), f"{name}: {status} {code}"
    assert len(answers) >= 12, sorted(answers)
    return answers


def apply(s3, bucket, target):
    """Puts configurations. Returns what a refresh must find."""
    queue = {"Id": "tell", "QueueArn": "arn:aws:sqs:us-east-1:123456789012:hook", "Events": ["s3:ObjectCreated:*"]}
    rule = {"Name": "Prefix", "Value": "in/"}
    notification = {"QueueConfigurations": [{**queue, "Filter": {"Key": {"FilterRules": [rule]}}}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notification)
    logging = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "logs/"}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=logging)
    payment = {"Payer": "Requester"}
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration=payment)
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    return {
        "GetBucketNotificationConfiguration": notification,
        "GetBucketLogging": logging,
        "GetBucketRequestPayment": payment,
    }


def destroy(s3, bucket):
    """Takes the configurations back, also those that were never there."""
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    s3.delete_bucket_replication(Bucket=bucket)


def shown(answers, expected):
    """What the answers say to the questions that matter."""
    found = {name: dict(answers[name]) for name in expected}
    for answer in found.values():
        answer.pop("ResponseMetadata")
    return found


def location(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a b")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="a b", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    return s3.complete_multipart_upload(Bucket=bucket, Key="a b", UploadId=upload, MultipartUpload=parts)["Location"]


def main(endpoint, roots):
    s3 = client(endpoint, roots)
    s3.create_bucket(Bucket="refreshed")
    s3.create_bucket(Bucket="log-target")
    fresh = refresh(s3, "refreshed")
    expected = apply(s3, "refreshed", "log-target")
    assert shown(refresh(s3, "refreshed"), expected) == expected
    destroy(s3, "refreshed")
    assert shown(refresh(s3, "refreshed"), expected) == shown(fresh, expected)
    found = location(s3, "refreshed")
    assert found == f"{endpoint}/refreshed/a%20b", found


if __name__ == "__main__":
    main(*sys.argv[1:])
