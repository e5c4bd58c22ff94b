//! Envelopes: a data key, wrapped, and what has to be known to unwrap it. Stored beside a version or upload.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format version |
//! | 1 | who holds the wrapping key: 1 gateway (SSE-S3), 2 KMS, 3 customer |
//! | 1 | bits: 1 a bucket key is used, 2 an inline tag follows |
//! | 2 + n | id of the wrapping key, with its length; empty for a customer |
//! | 2 + n | KMS encryption context, with its length |
//! | 12 | nonce |
//! | 48 | data key, sealed with AES-256-GCM over holder, id and context |
//! | 0 or 32 | salt and tag of the body beside its row |

use std::fmt;

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use crate::cipher::key::{KEY_BYTES, Secret, TAG_BYTES, random};
use crate::cipher::{CipherError, CustomerKey, DataKey, InlineTag};

const FORMAT_VERSION: u8 = 1;
const WRAPPED_BYTES: usize = KEY_BYTES + TAG_BYTES;
const FLAG_BUCKET_KEY: u8 = 1;
const FLAG_INLINE_TAG: u8 = 2;

/// Who is to hold the key that wraps the data key, as a request or a bucket's default says.
#[derive(Clone, Debug)]
pub enum Holder {
    /// SSE-S3: the active key of the ring.
    Gateway,
    /// SSE-KMS: a key of the ring, by name.
    Kms {
        /// Its id, ARN or alias; the active key if `None`.
        key: Option<String>,
        /// Whether a bucket key was asked for. Kept and told: here it changes no cost.
        bucket_key: bool,
        /// The encryption context, in base64, which is bound to the data key.
        context: Option<String>,
    },
    /// SSE-C: the customer.
    Customer(CustomerKey),
}

/// How a stored body is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// SSE-S3.
    Gateway {
        /// Id of the key in the ring.
        key: String,
    },
    /// SSE-KMS.
    Kms {
        /// The key, as the client named it.
        key: String,
        /// Whether a bucket key was asked for.
        bucket_key: bool,
        /// The encryption context, in base64.
        context: Option<String>,
    },
    /// SSE-C.
    Customer,
}

/// A wrapped data key.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    protection: Protection,
    nonce: [u8; NONCE_LEN],
    wrapped: [u8; WRAPPED_BYTES],
    inline_tag: Option<InlineTag>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({:?})", self.protection)
    }
}

impl Protection {
    fn kind(&self) -> u8 {
        match self {
            Self::Gateway { .. } => 1,
            Self::Kms { .. } => 2,
            Self::Customer => 3,
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Gateway { key } | Self::Kms { key, .. } => key,
            Self::Customer => "",
        }
    }

    fn context(&self) -> &str {
        match self {
            Self::Kms { context: Some(context), .. } => context,
            Self::Kms { context: None, .. } | Self::Gateway { .. } | Self::Customer => "",
        }
    }

    /// What the wrapped key is bound to.
    fn bound(&self) -> Vec<u8> {
        let mut bound = vec![FORMAT_VERSION, self.kind()];
        push_text(&mut bound, self.key());
        push_text(&mut bound, self.context());
        bound
    }

    /// Whether the ETag must not be the MD5 of the body.
    ///
    /// Source: Amazon S3 API Reference, "Object", `ETag`.
    pub fn hides_digest(&self) -> bool {
        match self {
            Self::Gateway { .. } => false,
            Self::Kms { .. } | Self::Customer => true,
        }
    }
}

fn push_text(to: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("ids and contexts are bounded where they are read");
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(text.as_bytes());
}

impl Envelope {
    /// Wraps `data` under `key`.
    pub(super) fn wrap(data: &DataKey, key: &Secret, protection: Protection) -> Result<Self, CipherError> {
        let nonce = random()?;
        let mut sealed = Zeroizing::new(*data.0.bytes());
        let aad = Aad::from(protection.bound());
        let tag = key.aead().seal_in_place_separate_tag(assume_unique(nonce), aad, sealed.as_mut_slice());
        let mut wrapped = [0; WRAPPED_BYTES];
        wrapped[..KEY_BYTES].copy_from_slice(sealed.as_slice());
        wrapped[KEY_BYTES..].copy_from_slice(tag.expect("a key is far below the bound of AES-GCM").as_ref());
        Ok(Self { protection, nonce, wrapped, inline_tag: None })
    }

    /// The data key; `None` if `key` is not the one that it was wrapped under.
    pub(super) fn unwrap(&self, key: &Secret) -> Option<DataKey> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let (sealed, tag) = self.wrapped.split_at(KEY_BYTES);
        bytes.copy_from_slice(sealed);
        let tag: [u8; TAG_BYTES] = tag.try_into().expect("a wrapped key ends with its tag");
        let aad = Aad::from(self.protection.bound());
        let aead: LessSafeKey = key.aead();
        let opened = aead.open_in_place_separate_tag(assume_unique(self.nonce), aad, tag.into(), &mut *bytes, 0..);
        opened.ok()?;
        Secret::from_slice(bytes.as_slice()).map(DataKey)
    }

    /// How the body is protected.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// The tag of a body that is kept beside its row.
    pub fn inline_tag(&self) -> Option<&InlineTag> {
        self.inline_tag.as_ref()
    }

    /// The same envelope for a body that is kept beside its row.
    #[must_use]
    pub fn with_inline_tag(self, inline_tag: Option<InlineTag>) -> Self {
        Self { inline_tag, ..self }
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let is_bucket_key = matches!(self.protection, Protection::Kms { bucket_key: true, .. });
        let flags = if is_bucket_key { FLAG_BUCKET_KEY } else { 0 };
        let flags = if self.inline_tag.is_some() { flags | FLAG_INLINE_TAG } else { flags };
        let mut bytes = vec![FORMAT_VERSION, self.protection.kind(), flags];
        push_text(&mut bytes, self.protection.key());
        push_text(&mut bytes, self.protection.context());
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.wrapped);
        bytes.extend_from_slice(self.inline_tag.as_ref().map_or(&[], |tag| tag.as_slice()));
        bytes
    }

    /// Reads the stored form of whatever a version has: `None` if it is plain.
    ///
    /// # Errors
    /// `Damaged` if it is no envelope.
    pub fn of(stored: Option<&[u8]>) -> Result<Option<Self>, CipherError> {
        stored.map(Self::from_bytes).transpose()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// `Damaged` if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CipherError> {
        Self::read(bytes).ok_or(CipherError::Damaged("the envelope of a data key"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let ([version, kind, flags], rest) = bytes.split_first_chunk::<3>()?;
        if *version != FORMAT_VERSION || flags & !(FLAG_BUCKET_KEY | FLAG_INLINE_TAG) != 0 {
            return None;
        }
        let (key, rest) = take_text(rest)?;
        let (context, rest) = take_text(rest)?;
        let protection = match kind {
            1 => Protection::Gateway { key },
            2 => {
                let context = (!context.is_empty()).then_some(context);
                Protection::Kms { key, bucket_key: flags & FLAG_BUCKET_KEY != 0, context }
            }
            3 => Protection::Customer,
            _ => return None,
        };
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (wrapped, rest) = rest.split_first_chunk::<WRAPPED_BYTES>()?;
        let inline_tag = match flags & FLAG_INLINE_TAG {
            0 => rest.is_empty().then_some(None)?,
            _ => Some(rest.try_into().ok()?),
        };
        Some(Self { protection, nonce: *nonce, wrapped: *wrapped, inline_tag })
    }
}

fn take_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// 96 random bits for each envelope: with one wrapping key, 2^32 envelopes keep the chance of a repetition
/// below 2^-32 (NIST SP 800-38D, 8.3).
fn assume_unique(nonce: [u8; NONCE_LEN]) -> Nonce {
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::{Envelope, Protection};
    use crate::cipher::DataKey;
    use crate::cipher::key::Secret;

    fn protections() -> [Protection; 4] {
        let kms = |bucket_key, context| Protection::Kms { key: "arn:aws:kms:x:1:key/k".into(), bucket_key, context };
        [
            Protection::Gateway { key: "main".into() },
            kms(true, None),
            kms(false, Some("eyJhIjoiYiJ9".into())),
            Protection::Customer,
        ]
    }

    #[test]
    fn an_envelope_reads_back_and_opens_with_its_key_only() {
        let (key, other, data) =
            (Secret::generate().unwrap(), Secret::generate().unwrap(), DataKey::generate().unwrap());
        for protection in protections() {
            for inline_tag in [None, Some([9; 32])] {
                let made = Envelope::wrap(&data, &key, protection.clone()).unwrap().with_inline_tag(inline_tag);
                let read = Envelope::from_bytes(&made.to_bytes()).unwrap();
                assert_eq!(read, made);
                assert_eq!(read.unwrap(&key).unwrap().0.bytes(), data.0.bytes());
                assert!(read.unwrap(&other).is_none());
            }
        }
    }

    #[test]
    fn no_flipped_or_missing_byte_gives_a_key() {
        let (key, data) = (Secret::generate().unwrap(), DataKey::generate().unwrap());
        for protection in protections() {
            let bytes = Envelope::wrap(&data, &key, protection).unwrap().to_bytes();
            let opens = |bytes: &[u8]| Envelope::from_bytes(bytes).ok().and_then(|envelope| envelope.unwrap(&key));
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x40;
                assert!(opens(&flipped).is_none(), "byte {at}");
                assert!(opens(&bytes[..at]).is_none(), "cut at {at}");
            }
            assert!(opens(&[&bytes[..], &[0]].concat()).is_none(), "a byte too many");
        }
    }

    #[test]
    fn a_data_key_is_wrapped_differently_each_time_and_shown_never() {
        let (key, data) = (Secret::generate().unwrap(), DataKey::generate().unwrap());
        let wrap = || Envelope::wrap(&data, &key, Protection::Customer).unwrap();
        assert_ne!(wrap(), wrap());
        assert_eq!(format!("{:?}", wrap()), "Envelope(Customer)");
    }

    #[test]
    fn only_sse_s3_shows_the_md5_of_a_body() {
        assert_eq!(protections().map(|protection| protection.hides_digest()), [false, true, true, true]);
    }
}
