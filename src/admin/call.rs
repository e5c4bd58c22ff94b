//! One request to the admin API, with its sender known and its body read.

use std::future::poll_fn;
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::admin::answer::Fault;
use crate::net::{Peer, RequestBody};

/// How the sender is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The Unix socket.
    Socket,
    /// A session of the console.
    Session,
    /// A signature.
    Signature,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Its key.
    pub(crate) access_key_id: String,
    /// The name of its key.
    pub(crate) name: String,
    /// Whether it may run the gateway.
    pub(crate) is_admin: bool,
    /// How it is known.
    pub(crate) via: Via,
}

/// One request.
pub(crate) struct Call {
    /// Its head.
    pub(crate) head: Parts,
    /// What stands in the place of the path's variable, decoded; empty without one.
    pub(crate) parameter: String,
    /// Its body.
    pub(crate) body: Bytes,
    /// Who asks; `None` on routes that ask nobody.
    pub(crate) caller: Option<Caller>,
}

impl Call {
    /// Who asks.
    pub(crate) fn caller(&self) -> Result<&Caller, Fault> {
        self.caller.as_ref().ok_or_else(not_signed_in)
    }

    /// The body as a document; none at all is an empty one.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| Fault::bad("bad-json", format!("The body: {error}.")))
    }

    /// The first parameter of that name in the query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let pairs = self.head.uri.query().unwrap_or_default().split('&');
        let found = pairs.filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name);
        found.map(|(_, value)| percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    }

    /// Where the other end is. The Unix socket has an address, too: that of this machine.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.head.extensions.get::<Peer>().map(|peer| peer.address.ip())
    }
}

/// Nobody who is known.
pub(crate) fn not_signed_in() -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, "not-signed-in", "Sign in, or sign the request with an access key.")
}

/// Reads a body of at most `bytes_max`.
pub(crate) async fn read_body(mut body: RequestBody, bytes_max: usize) -> Result<Bytes, Fault> {
    let too_large = || {
        let text = format!("The body has more than {bytes_max} bytes.");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text)
    };
    if body.content_length().is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    let mut read = BytesMut::new();
    while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
        let piece = piece.map_err(|error| Fault::bad("bad-body", format!("The body could not be read: {error}.")))?;
        if read.len() + piece.len() > bytes_max {
            return Err(too_large());
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

#[cfg(test)]
mod tests {
    use super::{Call, read_body};
    use crate::net::RequestBody;

    #[tokio::test]
    async fn a_body_is_bounded_whether_its_length_is_known_or_not() {
        let body = || RequestBody::from_pieces(["abc", "def"]);
        assert_eq!(&*read_body(body(), 6).await.unwrap(), b"abcdef");
        assert_eq!(read_body(body(), 5).await.unwrap_err().error(), "too-large");
        assert_eq!(read_body(body().with_content_length(None), 5).await.unwrap_err().error(), "too-large");
    }

    #[test]
    fn parameters_of_the_query_are_decoded() {
        let head = http::Request::get("/v1/x?a&prefix=p%2Fq+r&prefix=no").body(()).unwrap().into_parts().0;
        let call = Call { head, parameter: String::new(), body: bytes::Bytes::new(), caller: None };
        assert_eq!(call.query("prefix").as_deref(), Some("p/q r"));
        assert_eq!(call.query("a"), None);
    }
}
