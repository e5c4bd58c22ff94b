//! Keys in memory. They are wiped when they are dropped, and shown by nobody. What `ring` expands from them to seal or
//! open one chunk lives as long as that chunk is open, and is not wiped.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::cipher::CipherError;

/// Bytes of every key: AES-256.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of a tag of AES-GCM.
pub(super) const TAG_BYTES: usize = 16;

/// Bytes of the salt of a key that seals a body beside its row.
const INLINE_SALT_BYTES: usize = 16;

/// What opens a body that is kept beside its row: the salt of its key, and its tag.
pub type InlineTag = [u8; INLINE_SALT_BYTES + TAG_BYTES];

/// The purpose of a key that seals chunks. Part of the stored format.
pub(super) const PURPOSE_CHUNK: &[u8] = b"sluicegate chunk 1";
/// The purpose of a key that seals a body beside its row. Part of the stored format.
const PURPOSE_INLINE: &[u8] = b"sluicegate inline 1";
/// The purpose of a key that tells bodies apart. Part of the stored format.
const PURPOSE_IDENTITY: &[u8] = b"sluicegate identity 1";
/// The purpose of a key that only names the key that it is derived from.
const PURPOSE_FINGERPRINT: &[u8] = b"sluicegate fingerprint 1";

/// An array of random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], CipherError> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}

fn fill_random(bytes: &mut [u8]) -> Result<(), CipherError> {
    SystemRandom::new().fill(bytes).map_err(|_| CipherError::NoRandomness)
}

/// 256 bits of key. They lie in one place from the beginning and are shared there: an array that is moved or cloned
/// leaves copies behind, which nobody wipes.
#[derive(Clone)]
pub(super) struct Secret(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl Secret {
    /// A secret whose bytes `fill` writes in their place.
    fn made_by(fill: impl FnOnce(&mut [u8]) -> Result<(), CipherError>) -> Result<Self, CipherError> {
        let mut place = Arc::new(Zeroizing::new([0; KEY_BYTES]));
        fill(Arc::get_mut(&mut place).expect("nobody else knows of it yet").as_mut_slice())?;
        Ok(Self(place))
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; KEY_BYTES] = bytes.try_into().ok()?;
        let copied = Self::made_by(|key| {
            key.copy_from_slice(bytes);
            Ok(())
        });
        copied.ok()
    }

    pub(super) fn from_base64(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64.decode(text).ok()?);
        Self::from_slice(&bytes)
    }

    pub(super) fn generate() -> Result<Self, CipherError> {
        Self::made_by(fill_random)
    }

    pub(super) fn base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(self.0.as_slice()))
    }

    /// Names a key without telling it: 64 bits that are derived from it, in hex.
    pub(super) fn fingerprint(&self) -> String {
        let key = self.derive(&[], PURPOSE_FINGERPRINT);
        let tag = key.seal_in_place_separate_tag(inline_nonce(), Aad::empty(), &mut []);
        hex::encode(&tag.expect("nothing is far below the bound of AES-GCM").as_ref()[..8])
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key of an AES-256-GCM.
    pub(super) fn aead(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.bytes()).expect("a key of 32 bytes is an AES-256 key"))
    }

    /// A key for one purpose, derived with HKDF-SHA-256 (RFC 5869).
    pub(super) fn derive(&self, salt: &[u8], purpose: &[u8]) -> LessSafeKey {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(self.bytes());
        let purpose = [purpose];
        let derived = extracted.expand(&purpose, &AES_256_GCM).expect("32 bytes are within what HKDF yields");
        LessSafeKey::new(UnboundKey::from(derived))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Tells the chunks of one body from those of another that was written for the same place: a part that was sent
/// twice. Not a secret.
pub(super) type BodyId = [u8; 16];

/// The key of one object or upload.
#[derive(Clone, Debug)]
pub struct DataKey(pub(super) Secret);

impl DataKey {
    /// A new random key.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, CipherError> {
        Ok(Self(Secret::generate()?))
    }

    /// Tells bodies of this key apart as their SHA-256 does, and tells nothing about them to whoever has not the key.
    /// A body that is sent again has the same: clients that retry compare.
    pub fn identity(&self, sha256: &[u8; 32]) -> [u8; 16] {
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(self.0.bytes());
        let derived = extracted.expand(&[PURPOSE_IDENTITY], hmac::HMAC_SHA256);
        let key = hmac::Key::from(derived.expect("32 bytes are within what HKDF yields"));
        let mac = hmac::sign(&key, sha256);
        mac.as_ref()[..16].try_into().expect("HMAC-SHA-256 yields 32 bytes")
    }

    /// The key as the writer or reader of an object that is written in one piece needs it.
    pub fn whole(&self) -> BodyKey {
        BodyKey { data: self.clone(), part: 0, id: rand::random() }
    }

    /// The key as the writer of part `number` needs it.
    ///
    /// # Panics
    /// If `number` is 0, which stands for a body without parts.
    pub fn part(&self, number: u16) -> BodyKey {
        assert!(number > 0, "parts are numbered from 1");
        BodyKey { data: self.clone(), part: number, id: rand::random() }
    }
}

/// A data key, and which bytes it seals: each body that is written has one of its own.
#[derive(Clone, Debug)]
pub struct BodyKey {
    pub(super) data: DataKey,
    /// 0 for a body without parts.
    pub(super) part: u16,
    /// Of the body that is written; a reader learns from the chunks which it was.
    pub(super) id: BodyId,
}

impl BodyKey {
    /// Whether it seals a part: parts have no envelope of their own that could hold the tag of an inline body.
    pub fn is_part(&self) -> bool {
        self.part > 0
    }

    /// Seals a body that is kept beside its row, in place.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn seal_inline(&self, bytes: &mut [u8]) -> Result<InlineTag, CipherError> {
        let salt: [u8; INLINE_SALT_BYTES] = random()?;
        let tag = self.inline_key(&salt).seal_in_place_separate_tag(inline_nonce(), Aad::empty(), bytes);
        let tag = tag.expect("an inline body is far below the bound of AES-GCM");
        let mut inline = [0; INLINE_SALT_BYTES + TAG_BYTES];
        inline[..INLINE_SALT_BYTES].copy_from_slice(&salt);
        inline[INLINE_SALT_BYTES..].copy_from_slice(tag.as_ref());
        Ok(inline)
    }

    /// Opens a body that is kept beside its row, in place.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn open_inline(&self, tag: &InlineTag, bytes: &mut [u8]) -> Result<(), CipherError> {
        let (salt, tag) = tag.split_at(INLINE_SALT_BYTES);
        let tag: [u8; TAG_BYTES] = tag.try_into().expect("a tag comes after its salt");
        let key = self.inline_key(salt);
        let opened = key.open_in_place_separate_tag(inline_nonce(), Aad::empty(), tag.into(), bytes, 0..);
        opened.map(drop).map_err(|_| CipherError::Damaged("the body beside its row"))
    }

    fn inline_key(&self, salt: &[u8]) -> LessSafeKey {
        self.data.0.derive(salt, PURPOSE_INLINE)
    }
}

/// The derived key is the body's own, so any nonce is used once.
fn inline_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// A customer's key, which is never stored.
///
/// Source: Amazon S3 User Guide, "Using server-side encryption with customer-provided keys (SSE-C)".
#[derive(Clone)]
pub struct CustomerKey {
    pub(super) secret: Secret,
    md5: [u8; 16],
}

impl CustomerKey {
    /// Reads a key in base64; `None` if it is not 256 bits.
    pub fn parse(base64: &str) -> Option<Self> {
        let secret = Secret::from_base64(base64)?;
        let md5 = Md5::digest(secret.bytes()).into();
        Some(Self { secret, md5 })
    }

    /// The MD5 of the key: not a secret, but a name.
    pub fn md5(&self) -> &[u8; 16] {
        &self.md5
    }

    /// The MD5 of the key in base64, as headers carry it.
    pub fn md5_base64(&self) -> String {
        BASE64.encode(self.md5)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerKey({})", self.md5_base64())
    }
}

#[cfg(test)]
mod tests {
    use ring::aead::{Aad, Nonce};

    use super::{CustomerKey, DataKey, Secret};
    use crate::cipher::CipherError;

    /// "Test Case 16" of "The Galois/Counter Mode of Operation (GCM)", McGrew and Viega.
    #[test]
    fn the_cipher_is_aes_256_gcm() {
        let key = hex::decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").unwrap();
        let nonce: [u8; 12] = hex::decode("cafebabefacedbaddecaf888").unwrap().try_into().unwrap();
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let mut text = hex::decode(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ))
        .unwrap();
        let aead = Secret::from_slice(&key).unwrap().aead();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = aead.seal_in_place_separate_tag(nonce, Aad::from(&aad), &mut text).unwrap();
        let expected = concat!(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        );
        assert_eq!(hex::encode(&text), expected);
        assert_eq!(hex::encode(tag.as_ref()), "76fc6ece0f4e1768cddf8853bb2d551b");
    }

    #[test]
    fn an_inline_body_opens_with_its_key_and_tag_only() {
        let key = DataKey::generate().unwrap().whole();
        let mut bytes = b"beside its row".to_vec();
        let tag = key.seal_inline(&mut bytes).unwrap();
        assert_ne!(bytes, b"beside its row");
        let sealed = bytes.clone();
        key.open_inline(&tag, &mut bytes).unwrap();
        assert_eq!(bytes, b"beside its row");
        let damaged = Err(CipherError::Damaged("the body beside its row"));
        let other = DataKey::generate().unwrap().whole();
        assert_eq!(other.open_inline(&tag, &mut sealed.clone()), damaged);
        assert_eq!(key.open_inline(&[0; 32], &mut sealed.clone()), damaged);
        assert_eq!(key.open_inline(&tag, &mut sealed[1..].to_vec()), damaged);
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(key.open_inline(&tag, &mut flipped), damaged, "byte {at}");
        }
    }

    #[test]
    fn an_identity_follows_from_key_and_body_and_from_nothing_less() {
        let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
        assert_eq!(key.identity(&[1; 32]), key.identity(&[1; 32]));
        assert_ne!(key.identity(&[1; 32]), key.identity(&[2; 32]));
        assert_ne!(key.identity(&[1; 32]), other.identity(&[1; 32]));
    }

    #[test]
    fn a_customer_key_is_256_bits_and_shows_its_md5_only() {
        let text = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
        let key = CustomerKey::parse(text).unwrap();
        assert_eq!(key.md5_base64(), "DWygnHRtgiJ77HCm+1rvHw==");
        assert_eq!(format!("{key:?}"), "CustomerKey(DWygnHRtgiJ77HCm+1rvHw==)");
        assert_eq!(format!("{:?}", DataKey::generate().unwrap()), "DataKey(Secret)");
        for bad in ["", "AAAA", "not base64", &text[4..], "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs"] {
            assert!(CustomerKey::parse(bad).is_none(), "{bad}");
        }
    }
}
