//! Every bound of the gateway, by name, and the sum that splits `--memory`.
//!
//! A bound lives here or it does not exist: each one says what it stops. Relations between bounds are
//! checked when this file is compiled. Knows nothing of any other module.

use std::ffi::CStr;

pub mod admin;
mod caching;
mod doctor;
mod encryption;
mod hashing;
pub mod insight;
pub mod keeping;
mod memory_plan;
mod rate;
mod telling;
pub mod transfer;

pub use caching::{
    BUCKET_FACTS_CACHE_BYTES_MAX, BUCKET_ROW_BELIEVED_MS, BUCKET_ROWS_CACHED_MAX, DOCUMENT_CACHE_BYTES_MAX,
    LOOK_UP_HERE_MS_MAX, LOOK_UP_REST_MS, LOOK_UP_TURNS, SPACE_AMPLE_BYTES, SPACE_BELIEVED_MS,
};
pub use doctor::{CERTIFICATE_WARNING_DAYS, DOCTOR_ANSWER_BYTES_MAX, DOCTOR_ASK_MS};
pub use encryption::{
    ENCRYPTION_CONTEXT_BYTES_MAX, ENCRYPTION_KEY_ID_BYTES_MAX, ENCRYPTION_KEY_LINE_BYTES,
    ENCRYPTION_KEYS_FILE_BYTES_MAX, ENCRYPTION_KEYS_MAX, KEY_IDS_TOLD_MAX, REWRAP_AT_ONCE, REWRAP_LOOK_MS, REWRAP_STEP,
};
pub use hashing::{HASHER_BACKLOG_FLIGHTS, HASHERS_MAX};
pub use keeping::{
    ADOPT_PARTS_AT_ONCE, ADOPTION_SLACK_SECONDS, CHUNK_LABEL_BYTES_MAX, CHUNK_USES_MAX, DISK_LOOK_MS, DISK_REST_MS_MAX,
    DISK_TRIAL_BYTES, RECORD_PARTS_STEP, SCRUB_INTERVAL_SECONDS, SCRUB_INTERVAL_SECONDS_MAX, SCRUB_LOOK_MS,
    SCRUB_MARKS_MAX, SCRUB_RATE, SCRUB_RATE_MAX, SCRUB_RATE_MIN, SCRUB_ROW_BYTES, SCRUB_STEP, SCRUB_SUSPECTS_MAX,
    SCRUB_SUSPECTS_STEP, SNAPSHOT_FIRST_SECONDS, SNAPSHOT_FREE_FACTOR, SNAPSHOT_INTERVAL_SECONDS,
    SNAPSHOT_INTERVAL_SECONDS_MAX, SNAPSHOT_KEEP, SNAPSHOT_KEEP_MAX, SNAPSHOT_LOOK_MS,
};
pub use memory_plan::{MemoryPlan, Transport};
pub use rate::{RATE_BYTES_MIN, RATE_SOURCES_MAX, RETRY_AFTER_SECONDS_MAX, TIMETABLE_ENTRIES_MAX};
pub use telling::{
    ACCESS_LOG_BUFFER_BYTES_MAX, ACCESS_LOG_FIELD_BYTES_MAX, ACCESS_LOG_INTERVAL_SECONDS,
    ACCESS_LOG_INTERVAL_SECONDS_MAX, ACCESS_LOG_OBJECT_BYTES, ACCESS_LOG_REFRESH_MS, BREAKER_FAILURES,
    BREAKER_REST_MS_MAX, BREAKER_REST_MS_MIN, CONFIGURATION_ID_BYTES_MAX, EVENT_AGE_HOURS_MAX, EVENT_DELIVERIES_MAX,
    EVENT_RETRY_MS_MAX, EVENT_RETRY_MS_MIN, EVENTS_IDLE_MS, EVENTS_QUEUED_PER_TARGET_MAX, EVENTS_STEP,
    LOGGED_BUCKETS_MAX, NOTIFICATION_RULES_MAX, WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_BUFFER_BYTES_MAX,
    WEBHOOK_NAME_BYTES_MAX, WEBHOOK_TIMEOUT_MS, WEBHOOKS_MAX,
};

/// One kibibyte in bytes.
pub const KIB: u64 = 1024;
/// One mebibyte in bytes.
pub const MIB: u64 = 1024 * KIB;
/// One gibibyte in bytes.
pub const GIB: u64 = 1024 * MIB;
/// One tebibyte in bytes.
pub const TIB: u64 = 1024 * GIB;

// ---------------------------------------------------------------------------------------------------
// Storage geometry
// ---------------------------------------------------------------------------------------------------

/// Bytes of one pool block, and the span that one stored CRC-64/NVME covers. Body bytes live in blocks
/// only; a range read verifies whole spans, so this is also the smallest verified read.
pub const BLOCK_BYTES: usize = 256 * KIB as usize;
/// Largest chunk file in bytes. Bounds what one seal has to sync and what one unlink frees.
pub const CHUNK_BYTES_MAX: u64 = 16 * MIB;
/// Most CRC spans in one chunk.
pub const CHUNK_SPANS_MAX: usize = (CHUNK_BYTES_MAX / BLOCK_BYTES as u64) as usize;
/// Most sealed segments in one span of an encrypted chunk. A block that a stall cuts short holds more than
/// `INLINE_BYTES_MAX`, or else its bytes had stayed in the stash; only the last of a span may be shorter.
pub const SPAN_SEGMENTS_MAX: usize = BLOCK_BYTES / INLINE_BYTES_MAX;
/// Most sealed segments in one encrypted chunk: one for each span, and as many again for clients that stall. A
/// chunk that could exceed it ends early, so that stalling clients cannot make its table long.
pub const CHUNK_SEGMENTS_MAX: usize = 2 * CHUNK_SPANS_MAX;
/// Most bytes that are stored with a chunk beside its data: its label, and what opens it if it is encrypted.
pub const CHUNK_APPENDIX_BYTES_MAX: usize = CHUNK_LABEL_BYTES_MAX + 4 * KIB as usize;
/// Largest body in bytes that is kept in SQLite beside its row instead of in a chunk file.
pub const INLINE_BYTES_MAX: usize = 16 * KIB as usize;
/// Chunk files per directory. Bounds the directory scan after a crash and the cost of one name lookup.
pub const CHUNKS_PER_DIRECTORY: u64 = 4096;
/// Chunk directories kept open: the one that is being filled, and the one before it, whose last writers may
/// still be at work.
pub const CHUNK_DIRECTORIES_OPEN_MAX: usize = 2;
/// Bytes of disk space allocated at the first direct write of a chunk. It doubles from there, and the excess
/// is freed at the seal, so that small chunks take little and large ones cost few allocations.
pub const CHUNK_ALLOCATION_BYTES_MIN: u64 = MIB;
/// Part of the disk that new data leaves free, as its divisor, and bounds of that in bytes: room in which deletes can
/// be recorded when nothing else can be stored any more.
pub const SPACE_RESERVE_DIVISOR: u64 = 20;
/// See `SPACE_RESERVE_DIVISOR`.
pub const SPACE_RESERVE_BYTES_MIN: u64 = 8 * MIB;
/// See `SPACE_RESERVE_DIVISOR`. Several times the log of the database.
pub const SPACE_RESERVE_BYTES_MAX: u64 = 256 * MIB;
/// Least bytes of a write past the page cache: below, waiting for the disk once more costs more than the copy
/// that it saves.
pub const DIRECT_BYTES_MIN: usize = 64 * KIB as usize;
/// Blocks of one stream that may be leased at once: one filling while the other is hashed and written.
pub const BLOCKS_PER_STREAM: usize = 2;
/// Most bytes that a download copies to the heap when it may not leave a block with its client. Part of
/// `REQUEST_STATE_BYTES`: a request that reads has no stash.
pub const READ_COPY_BYTES_MAX: usize = INLINE_BYTES_MAX;
/// Extents that a download fetches at a time: one gibibyte of whole chunks.
pub const EXTENTS_PAGE: u32 = 64;

// ---------------------------------------------------------------------------------------------------
// S3's own bounds (Amazon S3 User Guide, "Amazon S3 multipart upload limits", "Object key names")
// ---------------------------------------------------------------------------------------------------

/// Shortest bucket name in bytes.
pub const BUCKET_NAME_BYTES_MIN: usize = 3;
/// Longest bucket name in bytes.
pub const BUCKET_NAME_BYTES_MAX: usize = 63;
/// Longest object key in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// Most bytes of user metadata: names without `x-amz-meta-`, plus values.
pub const USER_METADATA_BYTES_MAX: usize = 2 * KIB as usize;
/// Most tags of one object.
pub const OBJECT_TAGS_MAX: usize = 10;
/// Most tags of one bucket.
pub const BUCKET_TAGS_MAX: usize = 50;
/// Longest key of a tag in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Longest value of a tag in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Most rules of a bucket's cross-origin configuration.
pub const CORS_RULES_MAX: usize = 100;
/// Longest id of a cross-origin rule in characters.
pub const CORS_RULE_ID_CHARS_MAX: usize = 255;
/// Most routing rules of a bucket's website.
pub const WEBSITE_ROUTING_RULES_MAX: usize = 50;
/// Most bytes of a POST form before its file: S3's own bound.
pub const FORM_FIELDS_BYTES_MAX: usize = 20 * KIB as usize;
/// Most fields of a POST form before its file. Stops forms of many tiny fields.
pub const FORM_FIELDS_MAX: usize = 128;
/// Most bytes of the headers of one field of a POST form.
pub const FORM_FIELD_HEAD_BYTES_MAX: usize = 4 * KIB as usize;
/// Longest boundary between the fields of a form in bytes (RFC 2046, section 5.1.1).
pub const FORM_BOUNDARY_BYTES_MAX: usize = 70;

/// Grants of one ACL, as on S3.
pub const ACL_GRANTS_MAX: usize = 100;

/// Highest part number; the lowest is 1.
pub const PART_NUMBER_MAX: u16 = 10_000;
/// Least bytes of every part of an upload but the last.
pub const PART_BYTES_MIN: u64 = 5 * MIB;
/// Most bytes of one part, and of one PutObject.
pub const PART_BYTES_MAX: u64 = 5 * GIB;
/// Most bytes of one object.
pub const OBJECT_BYTES_MAX: u64 = 5 * TIB;
/// Most bytes that one CopyObject or UploadPartCopy may name.
pub const COPY_BYTES_MAX: u64 = 5 * GIB;
/// Most keys, parts, uploads or buckets in one page of a listing (buckets: see `BUCKETS_PAGE_MAX`).
pub const PAGE_MAX: u32 = 1000;
/// Most buckets in one page of ListBuckets.
pub const BUCKETS_PAGE_MAX: u32 = 10_000;
/// Most buckets that one owner may create.
pub const BUCKETS_PER_OWNER_MAX: u32 = 10_000;
/// Most keys in one DeleteObjects request.
pub const DELETE_KEYS_MAX: usize = 1000;
/// Longest life of a presigned URL in seconds: seven days.
pub const PRESIGN_SECONDS_MAX: u64 = 604_800;
/// Accepted difference between the request's clock and ours, in seconds: fifteen minutes.
pub const CLOCK_SKEW_SECONDS_MAX: i64 = 900;

// ---------------------------------------------------------------------------------------------------
// What a client can make long
// ---------------------------------------------------------------------------------------------------

/// Most header lines of one request. Stops header floods.
pub const HEADERS_MAX: usize = 128;
/// Most bytes of one request's head (request line and headers). Stops slow, endless heads. S3 allows
/// 8 KiB of headers; long presigned URLs with a security token need more.
pub const REQUEST_HEAD_BYTES_MAX: usize = 32 * KIB as usize;
/// Most bytes of the XML body of DeleteObjects: 1,000 keys of 1,024 bytes, every byte escaped.
pub const DELETE_XML_BYTES_MAX: usize = 8 * MIB as usize;
/// Most bytes of the XML body of CompleteMultipartUpload: 10,000 parts with checksums.
pub const COMPLETE_XML_BYTES_MAX: usize = 8 * MIB as usize;
/// Most bytes of any other XML body.
pub const XML_BYTES_MAX: usize = 64 * KIB as usize;
/// Most bytes of the XML body of PutBucketLifecycleConfiguration: 1,000 rules of half a kibibyte.
pub const LIFECYCLE_XML_BYTES_MAX: usize = 512 * KIB as usize;
/// Most rules of a lifecycle configuration.
pub const LIFECYCLE_RULES_MAX: usize = 1000;
/// Longest id of a lifecycle rule in characters.
pub const LIFECYCLE_RULE_ID_CHARS_MAX: usize = 255;
/// Most noncurrent versions that a lifecycle rule keeps.
pub const LIFECYCLE_NEWER_VERSIONS_MAX: u32 = 100;
/// Deepest nesting of an XML body. Stops stack exhaustion (Garage 1.2 aborts at 100,000).
pub const XML_DEPTH_MAX: usize = 16;
/// Most bytes of one text node, tag or attribute list of an XML body. A 1,024-byte key with every byte
/// escaped as `&#xNN;` is 6 KiB.
pub const XML_TOKEN_BYTES_MAX: usize = 16 * KIB as usize;
/// Most bytes of an `aws-chunked` frame header line (size, extension, signature).
pub const FRAME_HEADER_BYTES_MAX: usize = 256;
/// Most bytes of all trailer lines of an `aws-chunked` body.
pub const TRAILER_BYTES_MAX: usize = 4 * KIB as usize;
/// Most bytes of one `aws-chunked` frame. Frames are hashed as they stream, so this only refuses absurd
/// sizes; it costs no memory.
pub const FRAME_BYTES_MAX: u64 = PART_BYTES_MAX;
/// Most bytes of a refused request's body that are read and thrown away. Beyond it the connection closes.
pub const LINGER_BYTES_MAX: u64 = MIB;
/// Most bytes of one HTTP/2 request's header list. An HTTP/2 connection may have as many streams as lists of
/// this size fit its HTTP buffer, so that heads that wait for a ticket stay within it.
pub const HTTP2_HEAD_BYTES_MAX: usize = 16 * KIB as usize;
/// Least flow-control window of an HTTP/2 connection in bytes (RFC 9113, 6.9.2: it cannot be made smaller).
/// Where the HTTP buffer is smaller, HTTP/2 is not offered.
pub const HTTP2_WINDOW_BYTES_MIN: usize = 65_535;
/// Most bytes of a request's path that one log line shows.
pub const LOG_PATH_BYTES_MAX: usize = 256;
/// Most bytes of one PEM file. Stops a wrong path from filling memory.
pub const PEM_BYTES_MAX: u64 = MIB;
/// Longest `x-amz-client-token` of a RenameObject in bytes.
pub const CLIENT_TOKEN_BYTES_MAX: usize = 64;
/// Longest bucket policy in bytes (Amazon S3 User Guide, "Bucket policies").
pub const BUCKET_POLICY_BYTES_MAX: usize = 20 * KIB as usize;
/// Longest identity policy in bytes (IAM User Guide, "IAM and AWS STS quotas": the sum for a role).
pub const IDENTITY_POLICY_BYTES_MAX: usize = 10 * KIB as usize;
/// Longest session policy in bytes (same quotas).
pub const SESSION_POLICY_BYTES_MAX: usize = 2 * KIB as usize;
/// Longest trust policy of a role in bytes (same quotas, at their most).
pub const TRUST_POLICY_BYTES_MAX: usize = 8 * KIB as usize;
/// Most `?` in one policy. Each costs a look at every character of what it is matched with; runs without are searched
/// in one pass.
pub const POLICY_WILDCARDS_MAX: usize = 512;
/// Most policies of one access key (same quotas).
pub const KEY_POLICIES_MAX: usize = 10;
/// Most bytes of the policies of all access keys together, ready-made ones aside. The keyring holds them parsed.
pub const KEY_POLICIES_BYTES_MAX: u64 = 512 * KIB;
/// Longest name of a policy in bytes.
pub const POLICY_NAME_BYTES_MAX: usize = 64;
/// Most bytes of the body of a request to the Security Token Service.
pub const STS_BODY_BYTES_MAX: usize = 16 * KIB as usize;
/// Most parameters of such a request.
pub const STS_PARAMETERS_MAX: usize = 64;
/// Most ready-made policies that one session may name (STS API Reference, AssumeRole).
pub const SESSION_POLICIES_MAX: usize = 10;
/// Shortest name of a session in bytes (same source).
pub const SESSION_NAME_BYTES_MIN: usize = 2;
/// Longest name of a session in bytes (same source).
pub const SESSION_NAME_BYTES_MAX: usize = 64;
/// Longest token of a session in bytes. Ours are shorter; stops others from being decoded.
pub const SESSION_TOKEN_BYTES_MAX: usize = 8 * KIB as usize;
/// Most characters of a statement's `Sid` that a log line shows.
pub const POLICY_SID_SHOWN_MAX: usize = 64;
/// Most ETags in one `If-Match` or `If-None-Match` header.
pub const CONDITION_ETAGS_MAX: usize = 64;
/// Most access keys that the keyring holds in memory.
pub const ACCESS_KEYS_MAX: u32 = 10_000;
/// Shortest access key id in bytes that an operator may choose. Stops ids that are typing errors.
pub const ACCESS_KEY_ID_BYTES_MIN: usize = 3;
/// Longest access key id in bytes.
pub const ACCESS_KEY_ID_BYTES_MAX: usize = 128;
/// Shortest secret in bytes that an operator may choose. Stops secrets that are guessed at once.
pub const SECRET_KEY_BYTES_MIN: usize = 8;
/// Longest secret in bytes.
pub const SECRET_KEY_BYTES_MAX: usize = 128;
/// Most bytes of the credentials file. Stops the wrong file from being read into memory.
pub const CREDENTIALS_FILE_BYTES_MAX: u64 = 4 * KIB;
/// Longest name of a key or user in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 64;
/// Most entries of the signing-key cache (one per key, day, region).
pub const SIGNING_KEYS_CACHED_MAX: usize = 1024;

// ---------------------------------------------------------------------------------------------------
// Time
// ---------------------------------------------------------------------------------------------------

/// Milliseconds until a request's head must be complete.
pub const HEAD_TIMEOUT_MS: u64 = 30_000;
/// Milliseconds that a kept-alive connection may stay without a request.
pub const IDLE_TIMEOUT_MS: u64 = 90_000;
/// Milliseconds until a head must be complete while connections are scarce.
pub const SCARCE_HEAD_TIMEOUT_MS: u64 = 3_000;
/// Milliseconds that a kept-alive connection may rest while connections are scarce.
pub const SCARCE_IDLE_TIMEOUT_MS: u64 = 500;
/// Milliseconds that a client may make the server wait, while connections are scarce, before its speed counts.
pub const SCARCE_PATIENCE_MS: u64 = 3_000;
/// Least bytes in a second of waiting, in or out, that keep a connection while they are scarce.
pub const SCARCE_BYTES_PER_SECOND_MIN: u64 = 4 * KIB;
/// Largest body, in or out, of a request that is let in while connections are scarce: what is left of them is for
/// requests that end soon.
pub const SCARCE_BODY_BYTES_MAX: u64 = BLOCK_BYTES as u64;
/// Milliseconds without a single body byte, in or out, after which a request is ended.
pub const BODY_PROGRESS_TIMEOUT_MS: u64 = 60_000;
/// Milliseconds that a TLS handshake may take.
pub const TLS_HANDSHAKE_TIMEOUT_MS: u64 = 10_000;
/// Milliseconds that a request waits for an admission ticket before `503 SlowDown`.
pub const ADMISSION_WAIT_MS: u64 = 10_000;
/// Seconds in the `Retry-After` header of a `503 SlowDown`.
pub const RETRY_AFTER_SECONDS: u64 = 1;
/// Milliseconds that a partly filled block may wait for its client before it is written out. While
/// others wait for a block the pause is zero.
pub const STALL_FLUSH_MS: u64 = 20;
/// Shortest life of a session in seconds (STS API Reference).
pub const SESSION_SECONDS_MIN: u64 = 900;
/// Longest life of a session by AssumeRole in seconds (same source).
pub const ROLE_SESSION_SECONDS_MAX: u64 = 12 * 3600;
/// Life of a session by AssumeRole if nothing is asked, in seconds (same source).
pub const ROLE_SESSION_SECONDS_DEFAULT: u64 = 3600;
/// Longest life of a session by GetSessionToken in seconds (same source).
pub const TOKEN_SESSION_SECONDS_MAX: u64 = 36 * 3600;
/// Life of a session by GetSessionToken if nothing is asked, in seconds (same source).
pub const TOKEN_SESSION_SECONDS_DEFAULT: u64 = 12 * 3600;
/// Milliseconds after which a stored access key that changed is seen by a running server, at most.
pub const KEYRING_REFRESH_MS: u64 = 500;
/// Seconds that graceful drain may take before what is left is cancelled (default of `--drain-timeout`).
pub const DRAIN_TIMEOUT_SECONDS: u64 = 30;
/// Days after which an unfinished multipart upload is aborted (default of `--upload-expiry-days`).
pub const UPLOAD_EXPIRY_DAYS: u64 = 7;
/// Seconds of a day of lifecycle rules, unless a rehearsal makes it shorter.
pub const LIFECYCLE_DAY_SECONDS: u32 = 24 * 60 * 60;
/// Longest `--drain-timeout` in seconds. Stops a typing error from making a server that can't be stopped.
pub const DRAIN_TIMEOUT_SECONDS_MAX: u64 = 3600;
/// Longest `--upload-expiry-days`: ten years. Keeps times representable.
pub const UPLOAD_EXPIRY_DAYS_MAX: u64 = 3650;
/// Milliseconds between two steps of the metrics recorder. Samples of histograms pile up between them.
pub const METRICS_UPKEEP_MS: u64 = 1_000;
/// Milliseconds until an answer of the readiness check is due; later counts as not ready.
pub const READY_TIMEOUT_MS: u64 = 3_000;
/// Milliseconds that the `health` command waits for an answer.
pub const HEALTH_CLIENT_TIMEOUT_MS: u64 = 5_000;
/// Milliseconds that the rest of a refused request's body is read, so that its client reads our answer and no reset.
pub const LINGER_MS: u64 = 2_000;
/// Milliseconds that cancelled work has to end by itself once the drain's deadline has passed.
pub const CANCEL_GRACE_MS: u64 = 1_000;
/// Shortest pause in milliseconds after the listener could not accept (no file descriptor left, …).
pub const ACCEPT_BACKOFF_MS_MIN: u64 = 10;
/// Longest such pause in milliseconds. Bounds the log to about one line a second.
pub const ACCEPT_BACKOFF_MS_MAX: u64 = 1_000;
/// Milliseconds between two looks at the certificate files.
pub const TLS_RELOAD_CHECK_MS: u64 = 5_000;
/// Milliseconds between HTTP/2 pings, and that the answer may take. Finds peers that vanished.
pub const HTTP2_PING_MS: u64 = 20_000;
/// Seconds without traffic before the kernel asks whether the peer of a connection still exists.
pub const TCP_KEEPALIVE_SECONDS: u64 = 60;
/// Milliseconds between white-space bytes that keep a long CompleteMultipartUpload or CopyObject alive.
pub const KEEP_ALIVE_SPACE_MS: u64 = 5_000;

// ---------------------------------------------------------------------------------------------------
// Queues and background work
// ---------------------------------------------------------------------------------------------------

/// Connections that the kernel keeps for us while no connection slot is free; it takes the lesser of this and
/// `net.core.somaxconn`. Beyond, it drops what clients send, which then comes seconds late.
pub const LISTEN_BACKLOG: u32 = 4096;
/// Commands waiting for the metadata writer. Back-pressure on writers, not on readers.
pub const META_QUEUE_MAX: usize = 1024;
/// Commands in one group commit. Bounds the latency that a group adds to its first member.
pub const META_GROUP_MAX: usize = 256;
/// Chunk rows that one garbage step releases. Bounds how long the collector holds the writer.
pub const GARBAGE_STEP: u32 = 256;
/// Garbage manifests that one step works on at once, so that their transactions share one group commit.
pub const GARBAGE_MANIFESTS_AT_ONCE: u32 = 32;
/// Milliseconds that the collector rests when there is nothing to collect.
pub const GARBAGE_IDLE_MS: u64 = 1_000;
/// Times that a copy is tried again when its source changes while it runs. Stops a livelock.
pub const COPY_ATTEMPTS_MAX: u32 = 4;
/// Most extents that one copied part shares with its source; a source in smaller pieces is written anew.
/// Stops copies of copies from fragmenting without end.
pub const COPY_EXTENTS_MAX: usize = 4096;
/// Chunk ids that are looked up per step when files are compared with rows.
pub const SWEEP_STEP: usize = 512;
/// Seconds that a background worker's lease lasts; renewed when half of them have passed.
pub const WORKER_LEASE_SECONDS: u64 = 60;
/// Milliseconds that a background worker rests after its first failure; doubled with each further one.
pub const WORKER_BACKOFF_MS_MIN: u64 = 1_000;
/// Most milliseconds that a background worker rests after a failure.
pub const WORKER_BACKOFF_MS_MAX: u64 = 60_000;
/// Seconds that the clock may be ahead of the machine's uptime before locks no longer believe it. Stops a clock
/// that is turned from opening them.
pub const LOCK_CLOCK_JUMP_SECONDS_MAX: i64 = 3_600;
/// Seconds that the machine may have been off, as far as locks believe its clock after a boot: 30 days.
pub const LOCK_CLOCK_OFF_SECONDS_MAX: i64 = 30 * 24 * 3_600;
/// Seconds between two looks at the kept time of locks, which is how soon a confirmed clock is seen.
pub const LOCK_CLOCK_LOOK_SECONDS: u64 = 30;
/// Seconds by which the kept time of locks may be behind. More often would wake disks for nothing.
pub const LOCK_CLOCK_KEEP_SECONDS: i64 = 3_600;
/// Most days of a default retention.
pub const LOCK_DAYS_MAX: u32 = 36_500;
/// Most years of a default retention.
pub const LOCK_YEARS_MAX: u32 = 100;
/// Seconds between two looks for expired uploads.
pub const UPLOAD_EXPIRY_INTERVAL_SECONDS: u64 = 3_600;
/// Versions or uploads that one lifecycle step looks at. Bounds its memory.
pub const LIFECYCLE_STEP: u32 = 256;
/// Buckets that one lifecycle step asks for their rules.
pub const LIFECYCLE_BUCKETS_STEP: u32 = 64;
/// Expirations of one step that wait for the metadata writer at once: enough to share commits, too few to crowd out.
pub const LIFECYCLE_CONCURRENCY_MAX: usize = 32;
/// Milliseconds that lifecycle rests after a step. Leaves the database to clients.
pub const LIFECYCLE_STEP_REST_MS: u64 = 20;
/// Seconds from the end of one lifecycle pass to the next. What is due waits for a pass at most.
pub const LIFECYCLE_PASS_SECONDS: u64 = 3_600;
/// Restorable versions that one step removes for good, or shortens the time of.
pub const UNDELETE_STEP: u32 = 256;
/// Seconds between two looks for restorable versions whose time has come.
pub const UNDELETE_INTERVAL_SECONDS: u64 = 60;
/// Longest undelete window in days: ten years.
pub const UNDELETE_DAYS_MAX: u32 = 3650;
/// Milliseconds that a shutdown waits for the chunk files of bodies that were given up to be gone.
pub const SETTLE_WAIT_MS: u64 = 5_000;
/// Chunks that `check` reads at once. Bounds its blocks.
pub const CHECK_CHUNKS_AT_ONCE: usize = 4;
/// Rows that `check` reads per step.
pub const CHECK_STEP: u32 = 1000;
/// Part rows fetched per step while CompleteMultipartUpload compares the client's list.
pub const COMPLETE_STEP: usize = 256;
/// Deletions of one DeleteObjects request that wait for the metadata writer at once: enough to share group
/// commits, and too few to fill its queue.
pub const DELETE_CONCURRENCY_MAX: usize = 64;
/// Versions of one key, or keys of one common prefix, that a listing steps over one by one before it seeks
/// past them.
pub const LIST_SKIP_STEPS: u32 = 16;

// ---------------------------------------------------------------------------------------------------
// The process
// ---------------------------------------------------------------------------------------------------

/// Most reactor threads. More only move requests between caches.
pub const REACTOR_THREADS_MAX: usize = 8;
/// Most threads for blocking work (disk, hashing). Bounds stacks, and how many requests hit the disk at once.
pub const BLOCKING_THREADS_MAX: usize = 64;
/// Stack of each thread in bytes. Only touched pages cost memory.
pub const THREAD_STACK_BYTES: usize = MIB as usize;
/// Blocks of the pool of a check: readers get at most half of a pool.
pub const CHECK_POOL_BLOCKS: usize = 2 * CHECK_CHUNKS_AT_ONCE;
/// Milliseconds that `doctor` gives the database to check itself; `check` gives it all the time it needs.
pub const DOCTOR_DATABASE_MS: u64 = 10_000;
/// Milliseconds that a stopped server waits for its admin connections.
pub const ADMIN_DRAIN_MS: u64 = 500;
/// What the allocator is told (see jemalloc's `opt.*`). By itself it makes four arenas for each core, and keeps what was
/// freed in each of them for ten seconds.
pub const MALLOC_SETTINGS: &CStr = c"narenas:2,dirty_decay_ms:500,muzzy_decay_ms:0";
/// Connections of the admin listener. Its own, so that a flood of S3 clients can't fail the health check.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;
/// Most base domains of virtual-host style, and of websites.
pub const DOMAINS_MAX: usize = 64;

// ---------------------------------------------------------------------------------------------------
// The memory sum
// ---------------------------------------------------------------------------------------------------

/// Least `--memory` in bytes.
pub const MEMORY_BYTES_MIN: u64 = 32 * MIB;
/// Share of the control group's limit that `--memory` may take, in percent. The rest is for the page cache
/// and socket buffers, which the kernel charges to the same limit.
pub const CGROUP_SHARE_PERCENT: u64 = 75;
/// Default `--memory` in bytes.
pub const MEMORY_BYTES_DEFAULT: u64 = 128 * MIB;
/// What one admitted request may hold beside its blocks: task (4 KiB measured), headers, a stash of
/// `INLINE_BYTES_MAX` that spares small and slow bodies a block, response head, the table of an encrypted chunk.
pub const REQUEST_STATE_BYTES: u64 = INLINE_BYTES_MAX as u64 + 8 * KIB;
/// What one connection may hold beside its HTTP buffer: 8 KiB in which hyper writes heads, and the tasks, timers
/// and channels of socket and request (7 KiB measured).
pub const CONNECTION_STATE_BYTES: u64 = 16 * KIB;
/// What TLS adds to a connection: a record as it comes in, the same one decrypted, one on its way out, and keys.
pub const TLS_STATE_BYTES: u64 = 3 * 16 * KIB + 4 * KIB;
/// Blocks of the pool that are lent to connections at a time: few, because they are gathered from who uses them,
/// and enough for readers to give up their half of them.
pub const LOAN_BLOCKS: usize = 8;
/// Share of the pool that may be lent, in percent. What stays keeps every processor and disk busy: more blocks
/// only let more clients wait in the middle of one.
pub const LOAN_PERCENT_MAX: usize = 75;
/// Milliseconds until a loan that nobody needs goes back to the pool. Keeps connections that come and go from
/// moving memory each time.
pub const LOAN_RETURN_MS: u64 = 1_000;
/// Page cache of the metadata writer's SQLite connection in bytes.
pub const SQLITE_WRITER_CACHE_BYTES: u64 = 4 * MIB;
/// Page cache of each reader's SQLite connection in bytes.
pub const SQLITE_READER_CACHE_BYTES: u64 = MIB;
/// Reader connections of the metadata store.
pub const SQLITE_READERS: usize = 4;
/// Page of the metadata database in bytes. Fixed when a database is created.
pub const SQLITE_PAGE_BYTES: u64 = 16 * KIB;
/// Bytes in the write-ahead log after which the writer checkpoints. Bounds the time of recovery.
pub const SQLITE_CHECKPOINT_BYTES: u64 = 32 * MIB;
/// Bytes to which the log file is cut back when it restarts, and at which a commit checkpoints by itself
/// if the writer could not.
pub const SQLITE_WAL_BYTES_MAX: u64 = 64 * MIB;
/// Bytes of the log that are written again at once when a start makes it durable.
pub const LOG_SETTLE_BYTES: usize = 256 * KIB as usize;
/// Milliseconds that a transaction waits for another process that writes to the same database.
pub const SQLITE_BUSY_TIMEOUT_MS: u64 = 10_000;
/// Prepared statements that a connection keeps. More than the store has, so that none is prepared twice.
pub const SQLITE_STATEMENTS_CACHED_MAX: usize = 128;

const _: () = {
    assert!(CHUNK_BYTES_MAX.is_multiple_of(BLOCK_BYTES as u64), "a chunk is whole spans, except its last");
    assert!(CHUNK_SEGMENTS_MAX >= CHUNK_SPANS_MAX + SPAN_SEGMENTS_MAX, "a chunk without stalls is never cut");
    assert!(INLINE_BYTES_MAX < BLOCK_BYTES, "an inline body never needs a block");
    assert!(PART_BYTES_MAX * PART_NUMBER_MAX as u64 >= OBJECT_BYTES_MAX, "the largest object fits its parts");
    assert!(SQLITE_CHECKPOINT_BYTES < SQLITE_WAL_BYTES_MAX, "the writer checkpoints before the net does");
    assert!(META_GROUP_MAX <= META_QUEUE_MAX, "a group can be drained from the queue");
    assert!(SQLITE_WRITER_CACHE_BYTES + SQLITE_READERS as u64 * SQLITE_READER_CACHE_BYTES < MEMORY_BYTES_MIN / 2);
    assert!(COMPLETE_STEP <= PAGE_MAX as usize, "one step is at most one page");
    assert!(GARBAGE_MANIFESTS_AT_ONCE <= GARBAGE_STEP, "each manifest of a step gets at least one row");
};
