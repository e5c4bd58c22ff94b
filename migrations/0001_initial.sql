-- The first schema. Released migrations are never edited: their checksums are recorded and compared.
--
-- Ids of versions, side rows, manifests and inline parts are drawn from one clock (state.order) that only
-- goes up, so no id is ever used twice and a reader that holds a stale id finds nothing instead of
-- somebody else's bytes. Keys are BLOBs: they compare in binary UTF-8 order and may contain NUL.

CREATE TABLE state (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO state (name, value) VALUES ('order', 0);

CREATE TABLE bucket (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,
    created    INTEGER NOT NULL,
    location   TEXT NOT NULL,
    versioning INTEGER NOT NULL
) STRICT;

CREATE INDEX bucket_by_owner ON bucket (owner, name);

-- A body in chunks. `refs` counts versions, uploads and parts that point here; at 0 the row is also in
-- garbage_manifest.
CREATE TABLE manifest (
    id        INTEGER PRIMARY KEY,
    refs      INTEGER NOT NULL,
    multipart INTEGER NOT NULL
) STRICT;

-- One row per version; `rank` is minus the version's order, so that the newest version of a key comes
-- first. Rows are kept short because listings read nothing else: long values are in `side`, under the
-- version's order.
CREATE TABLE version (
    bucket_id     INTEGER NOT NULL REFERENCES bucket (id),
    key           BLOB NOT NULL,
    rank          INTEGER NOT NULL,
    salt          INTEGER,
    delete_marker INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    modified      INTEGER NOT NULL,
    etag          BLOB NOT NULL,
    etag_parts    INTEGER,
    storage_class INTEGER NOT NULL,
    checksum      INTEGER,
    manifest_id   INTEGER,
    PRIMARY KEY (bucket_id, key, rank)
) STRICT, WITHOUT ROWID;

-- `data`, the inline body, is the last column: reading the others touches no overflow page.
CREATE TABLE side (
    id             INTEGER PRIMARY KEY,
    sha256         BLOB,
    checksum       BLOB,
    checksum_parts INTEGER,
    metadata       BLOB NOT NULL,
    data           BLOB
) STRICT;

-- `refs` counts rows of `extent`. A chunk that loses its last one moves to dead_chunk.
CREATE TABLE chunk (
    id     INTEGER PRIMARY KEY,
    refs   INTEGER NOT NULL,
    length INTEGER NOT NULL,
    seal   INTEGER NOT NULL
) STRICT;

CREATE TABLE dead_chunk (
    id INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE extent (
    manifest_id  INTEGER NOT NULL REFERENCES manifest (id),
    offset       INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    chunk_id     INTEGER NOT NULL,
    chunk_offset INTEGER NOT NULL,
    PRIMARY KEY (manifest_id, offset)
) STRICT, WITHOUT ROWID;

-- A part of an upload, and of the object that the upload became. `offset` is NULL until then. The bytes
-- are in a manifest of their own, or in inline_part, or there are none.
CREATE TABLE part (
    manifest_id   INTEGER NOT NULL REFERENCES manifest (id),
    number        INTEGER NOT NULL,
    offset        INTEGER,
    size          INTEGER NOT NULL,
    md5           BLOB NOT NULL,
    sha256        BLOB,
    checksum      BLOB,
    modified      INTEGER NOT NULL,
    body_manifest INTEGER,
    inline_id     INTEGER,
    PRIMARY KEY (manifest_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX part_by_offset ON part (manifest_id, offset) WHERE offset IS NOT NULL;

CREATE TABLE inline_part (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE upload (
    bucket_id     INTEGER NOT NULL REFERENCES bucket (id),
    key           BLOB NOT NULL,
    id            BLOB NOT NULL,
    initiated     INTEGER NOT NULL,
    initiator     TEXT NOT NULL,
    storage_class INTEGER NOT NULL,
    checksum      INTEGER,
    manifest_id   INTEGER NOT NULL,
    metadata      BLOB NOT NULL,
    PRIMARY KEY (bucket_id, key, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX upload_by_initiated ON upload (initiated);

-- What finished uploads became, so that a repeated completion gets the same answer. Not tied to the
-- bucket: rows go by age.
CREATE TABLE completed_upload (
    bucket_id      INTEGER NOT NULL,
    key            BLOB NOT NULL,
    id             BLOB NOT NULL,
    finished       INTEGER NOT NULL,
    version_order  INTEGER NOT NULL,
    salt           INTEGER,
    shows_version  INTEGER NOT NULL,
    size           INTEGER NOT NULL,
    etag           BLOB NOT NULL,
    etag_parts     INTEGER,
    checksum       INTEGER,
    checksum_value BLOB,
    checksum_parts INTEGER,
    PRIMARY KEY (bucket_id, key, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX completed_upload_by_finished ON completed_upload (finished);

CREATE TABLE garbage_manifest (
    manifest_id INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE access_key (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    secret  TEXT NOT NULL,
    owner   TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    running INTEGER NOT NULL
) STRICT;

CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
