//! Hides what is a secret, or as good as one, in texts about requests that are kept or shown.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Query parameters that are credentials for as long as a presigned URL lives, and keys of SSE-C that a presigner moved
/// into the query.
const PARAMETERS: [&str; 3] = ["x-amz-signature", "x-amz-security-token", "signature"];
/// Headers whose value nobody but the server may read.
const HEADERS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-amz-security-token"];
/// Keys of SSE-C, of the object and of the source of a copy, end with this.
const CUSTOMER_KEY: &str = "server-side-encryption-customer-key";
/// What stands in the place of a secret.
const HIDDEN: &str = "-";

fn is_secret_header(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    HEADERS.contains(&name.as_str()) || name.ends_with(CUSTOMER_KEY)
}

fn is_secret_parameter(name: &str) -> bool {
    // However it is spelled: the server reads it decoded.
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    PARAMETERS.contains(&name.as_str()) || name.ends_with(CUSTOMER_KEY)
}

/// A query without what would let its reader send the request again.
pub(crate) fn query(query: &str) -> String {
    let hidden = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret_parameter(name) => Cow::Owned(format!("{name}={HIDDEN}")),
        Some(_) | None => Cow::Borrowed(pair),
    });
    hidden.collect::<Vec<_>>().join("&")
}

/// A target (path and query) without what would let its reader send the request again.
pub(crate) fn target(target: &str) -> String {
    match target.split_once('?') {
        Some((path, rest)) => format!("{path}?{}", query(rest)),
        None => target.to_owned(),
    }
}

/// A canonical request, or a string to sign of Signature Version 2, line by line: headers and queries lose their
/// secrets, everything else stays.
pub(crate) fn signed_text(text: &str) -> String {
    let lines = text.split('\n').map(|line| match line.split_once(':') {
        Some((name, _)) if is_secret_header(name) => Cow::Owned(format!("{name}:{HIDDEN}")),
        // A query stands alone on a line, or behind a path.
        Some(_) | None if line.contains('=') => Cow::Owned(match line.split_once('?') {
            Some((path, rest)) => format!("{path}?{}", query(rest)),
            None => query(line),
        }),
        Some(_) | None => Cow::Borrowed(line),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{signed_text, target};

    #[test]
    fn a_target_keeps_everything_but_credentials() {
        assert_eq!(target("/b/k"), "/b/k");
        assert_eq!(target("/b/k?X-Amz-Signature=abc&x=1&uploads"), "/b/k?X-Amz-Signature=-&x=1&uploads");
        assert_eq!(target("/b?Signature=a%2Fb&X-Amz-Security-Token=t"), "/b?Signature=-&X-Amz-Security-Token=-");
        assert_eq!(target("/b?%58-Amz%2DSignature=abc"), "/b?%58-Amz%2DSignature=-");
        let key = "X-Amz-Server-Side-Encryption-Customer-Key";
        assert_eq!(target(&format!("/b?{key}=MDEy&{key}-MD5=x")), format!("/b?{key}=-&{key}-MD5=x"));
    }

    #[test]
    fn what_was_signed_is_shown_without_tokens_and_keys() {
        let canonical = "GET\n/b/k\nX-Amz-Security-Token=tok%2F&X-Amz-Date=1\nhost:h:1\nx-amz-security-token:tok\n\
                         x-amz-copy-source-server-side-encryption-customer-key:MDEy\n\nhost\nUNSIGNED-PAYLOAD";
        let shown = signed_text(canonical);
        assert!(!shown.contains("tok%2F") && !shown.contains(":tok") && !shown.contains("MDEy"), "{shown}");
        assert!(shown.contains("host:h:1\n") && shown.contains("&X-Amz-Date=1\n"), "{shown}");
        assert_eq!(shown.lines().count(), canonical.lines().count());
        assert_eq!(signed_text("/b/k?versionId=1&Signature=s"), "/b/k?versionId=1&Signature=-");
    }
}
