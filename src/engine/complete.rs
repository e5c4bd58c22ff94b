//! CompleteMultipartUpload: compares the client's list with the stored parts while it arrives, and holds one
//! bit per part and one step of rows, however long the list is.

use std::collections::VecDeque;

use crate::cipher::CustomerKey;
use crate::digest::{ChecksumHasher, combine_crcs};
use crate::engine::seal::is_sealed_by_customer;
use crate::engine::{Engine, EngineError, Mismatch, Written};
use crate::limits::{COMPLETE_STEP, OBJECT_BYTES_MAX, PART_BYTES_MIN, PART_NUMBER_MAX};
use crate::meta::{CompleteUpload, MetaError, PartSelection, PutOutcome};
use crate::rules::WritePrecondition;
use crate::types::{
    Bucket, BucketId, ChecksumAlgorithm, ChecksumType, ChecksumValue, ETag, ListedPart, ListedUpload, ObjectChecksum,
    ObjectKey, ObjectMetadata, UploadId, VersionAttributes,
};

/// One entry of a client's CompleteMultipartUpload list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedPart {
    /// 1..=10,000.
    pub number: u16,
    /// What the client thinks its ETag is.
    pub etag: ETag,
    /// What the client thinks its checksum is.
    pub checksum: Option<ChecksumValue>,
}

/// What the client says about the whole object when it completes an upload.
#[derive(Clone, Debug, Default)]
pub struct CompletionClaim {
    /// `x-amz-mp-object-size`, in bytes.
    pub size: Option<u64>,
    /// `x-amz-checksum-…` of the whole object: full value, or composite without its `-N`.
    pub checksum: Option<ChecksumValue>,
    /// `x-amz-checksum-type`.
    pub checksum_type: Option<ChecksumType>,
    /// Conditions.
    pub precondition: WritePrecondition,
}

/// A completion under way: compares the client's list with the stored parts as it arrives, in steps of
/// `COMPLETE_STEP`, and keeps only one bit per part.
pub struct Completion<'a> {
    engine: &'a Engine,
    bucket: Bucket,
    key: ObjectKey,
    upload: UploadId,
    claimed: ClaimedEtag,
    state: State,
}

enum State {
    /// The upload is open.
    Open(Box<OpenCompletion>),
    /// It had been completed before, or another request completed it meanwhile.
    Finished(PutOutcome),
}

/// The multipart ETag of the list so far, by the client's own words: says whether a repeated completion has
/// the list of the first.
struct ClaimedEtag {
    md5: ChecksumHasher,
    count: u16,
    last: u16,
}

struct OpenCompletion {
    listed: ListedUpload,
    metadata: ObjectMetadata,
    /// Stored parts that were fetched and not passed yet, by number.
    fetched: VecDeque<ListedPart>,
    selection: PartSelection,
    size: u64,
    previous: Option<PreviousPart>,
    checksum: RunningChecksum,
}

/// What is kept of the part before the next one: it is too small only if it is not the last.
#[derive(Clone, Copy)]
struct PreviousPart {
    number: u16,
    size: u64,
    md5: [u8; 16],
}

/// The object's checksum so far.
enum RunningChecksum {
    /// No part yet; the upload's own choice, if it made one.
    Start(Option<(ChecksumAlgorithm, ChecksumType)>),
    /// Hash over the parts' values.
    Composite { algorithm: ChecksumAlgorithm, hasher: Box<ChecksumHasher> },
    /// Combined value of the parts.
    Full(ChecksumValue),
    /// The parts have no checksum in common.
    Absent,
}

impl Engine {
    /// Begins a completion.
    ///
    /// # Errors
    /// `NoSuchUpload`, `Meta`.
    pub async fn begin_completion(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Completion<'_>, EngineError> {
        let state = match self.meta.upload(bucket.id, key, upload).await? {
            Some(record) => State::Open(Box::new(OpenCompletion::new(record.upload, record.metadata))),
            None => State::Finished(self.completed(bucket.id, key, upload).await?),
        };
        let (bucket, key) = (bucket.clone(), key.clone());
        Ok(Completion { engine: self, bucket, key, upload, claimed: ClaimedEtag::new(), state })
    }

    async fn completed(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Result<PutOutcome, EngineError> {
        let completed = self.meta.completed_upload(bucket, key, upload).await?;
        completed.map(|completed| completed.outcome).ok_or(EngineError::NoSuchUpload)
    }
}

impl Completion<'_> {
    /// The upload that is being completed; `None` if it had been completed before.
    pub fn upload(&self) -> Option<&ListedUpload> {
        match &self.state {
            State::Open(open) => Some(&open.listed),
            State::Finished(_) => None,
        }
    }

    /// Attributes of the object to be; `None` if it had been completed before.
    pub fn attributes(&self) -> Option<&VersionAttributes> {
        match &self.state {
            State::Open(open) => Some(&open.metadata.attributes),
            State::Finished(_) => None,
        }
    }

    /// Checks the customer's key that a completion carries. One without needs it only if the object is to have a
    /// checksum.
    ///
    /// # Errors
    /// `UploadKey`.
    pub fn check_key(&self, customer: Option<&CustomerKey>) -> Result<(), EngineError> {
        let State::Open(open) = &self.state else { return Ok(()) };
        let is_needed = open.listed.checksum.is_some() && is_sealed_by_customer(&open.metadata.attributes);
        if customer.is_none() && !is_needed {
            return Ok(());
        }
        self.engine.unseal(&open.metadata.attributes, customer).map(drop).map_err(EngineError::UploadKey)
    }

    /// Compares the next entry of the client's list.
    ///
    /// # Errors
    /// `InvalidPart`, `InvalidPartOrder`, `PartTooSmall`, `TooLarge`, `NoSuchUpload` if the upload was aborted
    /// meanwhile, `Meta`.
    pub async fn push(&mut self, part: ClaimedPart) -> Result<(), EngineError> {
        self.claimed.push(&part)?;
        let State::Open(open) = &mut self.state else { return Ok(()) };
        if !open.has_reached(part.number) {
            let after = part.number - 1;
            let step = COMPLETE_STEP as u32;
            match self.engine.meta.list_parts(self.bucket.id, &self.key, self.upload, after, step).await {
                Ok(page) => open.fetched = page.parts.into(),
                Err(MetaError::NoSuchUpload) => return self.lost_to_another().await,
                Err(error) => return Err(error.into()),
            }
        }
        open.push(&part)
    }

    /// Commits. If the upload had been completed before with the same parts, returns that result again.
    ///
    /// # Errors
    /// `NoParts`, `InvalidPart`, `PartTooSmall`, `ObjectSizeMismatch`, `Mismatch`, `ChecksumRequest`,
    /// `PreconditionFailed`, `NoSuchKey`, `NoSuchUpload`, `Conflict`, `Meta`.
    pub async fn finish(mut self, claim: CompletionClaim) -> Result<Written, EngineError> {
        let etag = self.claimed.etag().ok_or(EngineError::NoParts)?;
        if let State::Open(open) = self.state {
            let size = open.size;
            if claim.size.is_some_and(|claimed| claimed != size) {
                return Err(EngineError::ObjectSizeMismatch { actual: size });
            }
            let metadata = open.metadata.clone();
            let (selection, checksum) = open.finish();
            claim.check_checksum(checksum.as_ref())?;
            let complete = CompleteUpload {
                bucket: self.bucket.id,
                key: self.key.clone(),
                upload: self.upload,
                selection,
                etag,
                size,
                checksum,
                record: Vec::new(),
                precondition: claim.precondition,
                now: self.engine.clock.now(),
            };
            match self.engine.commit_completion(&self.bucket, &metadata, complete).await {
                Err(EngineError::NoSuchUpload) => {}
                decided => return Ok(Written::from(decided?)),
            }
            // Another request ended it meanwhile: by completing it, perhaps with this very list.
            self.state = State::Finished(self.engine.completed(self.bucket.id, &self.key, self.upload).await?);
        }
        match self.state {
            State::Finished(outcome) if outcome.etag == etag => Ok(Written::from(outcome)),
            State::Finished(_) | State::Open(_) => Err(EngineError::NoSuchUpload),
        }
    }

    /// The upload ended while its list arrived: go on if it was completed, so that the racing twin of a
    /// completion gets the same answer.
    async fn lost_to_another(&mut self) -> Result<(), EngineError> {
        self.state = State::Finished(self.engine.completed(self.bucket.id, &self.key, self.upload).await?);
        Ok(())
    }
}

impl ClaimedEtag {
    fn new() -> Self {
        Self { md5: ChecksumHasher::new(ChecksumAlgorithm::Md5), count: 0, last: 0 }
    }

    fn push(&mut self, part: &ClaimedPart) -> Result<(), EngineError> {
        if part.number > PART_NUMBER_MAX || part.number == 0 {
            return Err(EngineError::InvalidPart { number: part.number });
        }
        if part.number <= self.last {
            return Err(EngineError::InvalidPartOrder);
        }
        self.last = part.number;
        self.count += 1;
        self.md5.update(&part.etag.md5);
        Ok(())
    }

    /// The ETag of the whole list and, with it, of the object; `None` if the list is empty.
    fn etag(&mut self) -> Option<ETag> {
        let hasher = std::mem::replace(&mut self.md5, ChecksumHasher::new(ChecksumAlgorithm::Md5));
        let md5 = hasher.finish();
        let md5 = md5.bytes().try_into().expect("an MD5 value has 16 bytes");
        (self.count > 0).then_some(ETag { md5, parts: Some(self.count) })
    }
}

impl OpenCompletion {
    fn new(listed: ListedUpload, metadata: ObjectMetadata) -> Self {
        let checksum = RunningChecksum::Start(listed.checksum);
        let (fetched, selection) = (VecDeque::new(), PartSelection::new());
        Self { listed, metadata, fetched, selection, size: 0, previous: None, checksum }
    }

    /// Drops what the list has passed; whether `number` then lies within what was fetched.
    fn has_reached(&mut self, number: u16) -> bool {
        while self.fetched.front().is_some_and(|part| part.number < number) {
            self.fetched.pop_front();
        }
        !self.fetched.is_empty()
    }

    fn push(&mut self, claimed: &ClaimedPart) -> Result<(), EngineError> {
        let number = claimed.number;
        let stored = self.fetched.pop_front_if(|part| part.number == number);
        let stored = stored.ok_or(EngineError::InvalidPart { number })?;
        let same_checksum = claimed.checksum.is_none() || claimed.checksum == stored.checksum;
        if claimed.etag != ETag::single(stored.md5) || !same_checksum {
            return Err(EngineError::InvalidPart { number });
        }
        if let Some(PreviousPart { number, size, md5 }) = self.previous.filter(|part| part.size < PART_BYTES_MIN) {
            return Err(EngineError::PartTooSmall { number, size, md5 });
        }
        self.size += stored.size;
        if self.size > OBJECT_BYTES_MAX {
            return Err(EngineError::TooLarge);
        }
        self.selection.insert(number);
        self.checksum.push(stored.checksum.as_ref(), stored.size);
        self.previous = Some(PreviousPart { number, size: stored.size, md5: stored.md5 });
        Ok(())
    }

    fn finish(self) -> (PartSelection, Option<ObjectChecksum>) {
        let parts = self.selection.count();
        let checksum = match self.checksum {
            RunningChecksum::Start(_) | RunningChecksum::Absent => None,
            RunningChecksum::Full(value) => Some(ObjectChecksum::full(value)),
            RunningChecksum::Composite { hasher, .. } => {
                let value = hasher.finish();
                Some(ObjectChecksum { value, kind: ChecksumType::Composite, parts: Some(parts) })
            }
        };
        (self.selection, checksum)
    }
}

impl RunningChecksum {
    /// Adds a part's value. A part without one, or with one of another algorithm (an upload that names none
    /// stores what each part's sender had verified), leaves the object without a checksum.
    fn push(&mut self, part: Option<&ChecksumValue>, size: u64) {
        let Some(value) = part else {
            *self = Self::Absent;
            return;
        };
        *self = match std::mem::replace(self, Self::Absent) {
            Self::Start(choice) => Self::start(choice, value),
            Self::Full(sum) => combine_crcs(&sum, value, size).map_or(Self::Absent, Self::Full),
            Self::Composite { algorithm, mut hasher } if algorithm == value.algorithm() => {
                hasher.update(value.bytes());
                Self::Composite { algorithm, hasher }
            }
            Self::Composite { .. } | Self::Absent => Self::Absent,
        };
    }

    /// An upload that names no algorithm follows its first part: CRC-64/NVME unless the sender chose.
    fn start(choice: Option<(ChecksumAlgorithm, ChecksumType)>, first: &ChecksumValue) -> Self {
        let algorithm = first.algorithm();
        let followed = if algorithm.combines() { ChecksumType::FullObject } else { ChecksumType::Composite };
        let (chosen, kind) = choice.unwrap_or((algorithm, followed));
        match kind {
            _ if chosen != algorithm => Self::Absent,
            ChecksumType::FullObject => Self::Full(first.clone()),
            ChecksumType::Composite => {
                let mut hasher = Box::new(ChecksumHasher::new(algorithm));
                hasher.update(first.bytes());
                Self::Composite { algorithm, hasher }
            }
        }
    }
}

impl CompletionClaim {
    /// Compares what the client says about the object's checksum with what its parts make.
    fn check_checksum(&self, actual: Option<&ObjectChecksum>) -> Result<(), EngineError> {
        let kind = actual.map(|actual| actual.kind);
        if self.checksum_type.is_some() && self.checksum_type != kind {
            return Err(EngineError::ChecksumRequest("the checksum type is not the upload's"));
        }
        let Some(claimed) = &self.checksum else { return Ok(()) };
        match actual.map(|actual| &actual.value) {
            Some(actual) if actual == claimed => Ok(()),
            Some(actual) if actual.algorithm() == claimed.algorithm() => {
                Err(EngineError::Mismatch(Mismatch::Checksum(claimed.algorithm())))
            }
            Some(_) | None => Err(EngineError::ChecksumRequest("the checksum algorithm is not the upload's")),
        }
    }
}
