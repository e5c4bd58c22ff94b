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

-- Usage and quotas --------------------------------------------------------------------------------------

-- In whose name a version or upload is; NULL for the bucket's owner.
ALTER TABLE version ADD COLUMN owner TEXT;
ALTER TABLE upload ADD COLUMN owner TEXT;

-- Undelete ----------------------------------------------------------------------------------------------

-- Notifications and access logs -------------------------------------------------------------------------
