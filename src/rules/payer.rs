//! Who pays for requests. Source: Amazon S3 User Guide, "Using Requester Pays general purpose buckets".

/// Who pays for requests to a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payer {
    /// The bucket's owner.
    #[default]
    BucketOwner,
    /// Whoever asks, and says so.
    Requester,
}

impl Payer {
    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwner => "BucketOwner",
            Self::Requester => "Requester",
        }
    }

    /// The payer of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::BucketOwner, Self::Requester].into_iter().find(|payer| payer.name() == name)
    }

    /// Who pays as it was stored; `None` if it cannot be read.
    pub fn from_document(body: Option<&[u8]>) -> Option<Self> {
        body.map_or(Some(Self::default()), |body| std::str::from_utf8(body).ok().and_then(Self::parse))
    }
}

/// What a request is, to whoever collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// The bucket's owner pays.
    Owner,
    /// The requester pays, and said so.
    Requester,
    /// The requester would have to pay, and did not say so or is nobody.
    Refused,
}

/// Judges a request of somebody who `is_owner` or not, is known or not (`is_anonymous`), and agreed to pay or not.
pub fn charge(payer: Payer, is_owner: bool, is_anonymous: bool, agrees: bool) -> Charge {
    match payer {
        Payer::BucketOwner => Charge::Owner,
        Payer::Requester if is_owner && !is_anonymous => Charge::Owner,
        Payer::Requester if is_anonymous || !agrees => Charge::Refused,
        Payer::Requester => Charge::Requester,
    }
}

#[cfg(test)]
mod tests {
    use super::{Charge, Payer, charge};

    #[test]
    fn only_who_agrees_and_is_somebody_pays() {
        use Payer::{BucketOwner, Requester};
        for (payer, is_owner, is_anonymous, agrees, expected) in [
            (BucketOwner, false, true, false, Charge::Owner),
            (BucketOwner, false, false, true, Charge::Owner),
            (Requester, true, false, false, Charge::Owner),
            (Requester, true, false, true, Charge::Owner),
            (Requester, false, false, true, Charge::Requester),
            (Requester, false, false, false, Charge::Refused),
            (Requester, false, true, true, Charge::Refused),
            (Requester, false, true, false, Charge::Refused),
        ] {
            assert_eq!(charge(payer, is_owner, is_anonymous, agrees), expected, "{payer:?} {is_owner} {is_anonymous}");
        }
    }

    #[test]
    fn a_document_names_the_payer() {
        assert_eq!(Payer::from_document(None), Some(Payer::BucketOwner));
        assert_eq!(Payer::from_document(Some(b"Requester")), Some(Payer::Requester));
        assert_eq!(Payer::from_document(Some(b"?")), None);
    }
}
