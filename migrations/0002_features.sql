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

-- Usage and quotas --------------------------------------------------------------------------------------

-- In whose name a version or upload is; NULL for the bucket's owner.
ALTER TABLE version ADD COLUMN owner TEXT;
ALTER TABLE upload ADD COLUMN owner TEXT;

-- Undelete ----------------------------------------------------------------------------------------------

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
