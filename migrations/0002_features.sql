-- Documents of buckets, one of each kind; `generation` of a bucket goes up with each change of them, so that
-- whoever has read them knows whether they are still the same.

ALTER TABLE bucket ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

CREATE TABLE bucket_document (
    bucket_id INTEGER NOT NULL REFERENCES bucket (id),
    kind      TEXT NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (bucket_id, kind)
) STRICT, WITHOUT ROWID;

-- Identities --------------------------------------------------------------------------------------------

-- What limits an access key. With `limited` set it may do what its policies allow, and nothing if none is left;
-- otherwise all that its owner may. No body: the ready-made policy of that name.
ALTER TABLE access_key ADD COLUMN limited INTEGER NOT NULL DEFAULT 0;

CREATE TABLE key_policy (
    key_id TEXT NOT NULL REFERENCES access_key (id),
    name   TEXT NOT NULL,
    body   TEXT,
    PRIMARY KEY (key_id, name)
) STRICT, WITHOUT ROWID;

-- Secrets of the gateways on this store: what proves that they made a session's token.
CREATE TABLE gateway_secret (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Usage and quotas --------------------------------------------------------------------------------------

-- In whose name a version or upload is; NULL for the bucket's owner.
ALTER TABLE version ADD COLUMN owner TEXT;
ALTER TABLE upload ADD COLUMN owner TEXT;

-- Bytes of an upload's parts.
ALTER TABLE upload ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

UPDATE upload SET bytes =
    (SELECT IFNULL(SUM(p.size), 0) FROM part p WHERE p.manifest_id = upload.manifest_id);

-- What each bucket and each identity stores, kept by every transaction that changes it. `bytes` counts
-- versions, parts of open uploads and what can be restored; `objects` versions that are no delete markers.
CREATE TABLE bucket_usage (
    bucket_id INTEGER PRIMARY KEY REFERENCES bucket (id),
    bytes     INTEGER NOT NULL,
    objects   INTEGER NOT NULL
) STRICT;

CREATE TABLE owner_usage (
    owner   TEXT PRIMARY KEY,
    bytes   INTEGER NOT NULL,
    objects INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE owner_quota (
    owner   TEXT PRIMARY KEY,
    bytes   INTEGER,
    objects INTEGER
) STRICT, WITHOUT ROWID;

INSERT INTO bucket_usage (bucket_id, bytes, objects)
    SELECT b.id,
        (SELECT IFNULL(SUM(v.size), 0) FROM version v WHERE v.bucket_id = b.id)
            + (SELECT IFNULL(SUM(u.bytes), 0) FROM upload u WHERE u.bucket_id = b.id),
        (SELECT COUNT(*) FROM version v WHERE v.bucket_id = b.id AND v.delete_marker = 0)
    FROM bucket b;

INSERT INTO owner_usage (owner, bytes, objects)
    SELECT b.owner, SUM(u.bytes), SUM(u.objects) FROM bucket b JOIN bucket_usage u ON u.bucket_id = b.id
    GROUP BY b.owner;

-- Undelete ----------------------------------------------------------------------------------------------

-- Versions that were deleted or overwritten and can be restored until `until`. `id` is the order that the
-- version had; its side row stays under that number, and its manifest keeps the reference. Found by the name
-- of the bucket, so that they outlive it: a bucket that is deleted by accident can be made again and filled.
CREATE TABLE retained (
    id            INTEGER PRIMARY KEY,
    bucket_id     INTEGER NOT NULL,
    bucket_name   TEXT NOT NULL,
    key           BLOB NOT NULL,
    size          INTEGER NOT NULL,
    modified      INTEGER NOT NULL,
    etag          BLOB NOT NULL,
    etag_parts    INTEGER,
    storage_class INTEGER NOT NULL,
    checksum      INTEGER,
    manifest_id   INTEGER,
    owner         TEXT NOT NULL,
    deleted       INTEGER NOT NULL,
    until         INTEGER NOT NULL
) STRICT;

CREATE INDEX retained_by_key ON retained (bucket_name, key, id);
CREATE INDEX retained_by_until ON retained (until);

-- Lifecycle ---------------------------------------------------------------------------------------------

-- How far a background worker has come, in words of its own.
CREATE TABLE worker_cursor (
    name TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Notifications and access logs -------------------------------------------------------------------------

-- Events that wait for their webhook, written by the transaction that they tell of. `sequence` is a tick of the
-- clock that numbers versions. Only the first event of a key can be postponed: the others wait behind it.
-- No reference to `bucket`: a bucket may be gone before its last event is told.
CREATE TABLE event (
    target     TEXT NOT NULL,
    sequence   INTEGER NOT NULL,
    bucket_id  INTEGER NOT NULL,
    key        BLOB NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    record     BLOB NOT NULL,
    PRIMARY KEY (target, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_of_key ON event (target, bucket_id, key, sequence, not_before);

-- How many events wait for a webhook, and how many were dropped for the bound of their number or age.
CREATE TABLE event_target (
    name    TEXT NOT NULL PRIMARY KEY,
    queued  INTEGER NOT NULL,
    dropped INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Finds the buckets whose requests are logged.
CREATE INDEX bucket_document_kind ON bucket_document (kind);
