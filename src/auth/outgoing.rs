//! What requests to S3 are signed with by whoever sends them: the counterpart of what `verify` judges.

use aws_sigv4::http_request::{PayloadChecksumKind, PercentEncodingMode, SigningSettings, UriPathNormalizationMode};

/// The settings of a signer of S3 requests. S3 signs paths as they are sent: escaped once, and with every dot and slash
/// that the key has.
///
/// Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
pub fn s3_signing(payload_checksum_kind: PayloadChecksumKind) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = payload_checksum_kind;
    settings
}
