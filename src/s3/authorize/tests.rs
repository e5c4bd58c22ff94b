//! Laws of the whole stage: whatever identity policies, session policies, bucket policy, ACLs, ownership and public
//! access block say together, a Deny wins, nobody gains by one or loses by an Allow, and silence lets nobody in. The
//! evaluator has laws of its own in `policy`; these hold what is wired to it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};

use bytes::Bytes;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use proptest::{collection, option, prop_assert, prop_assume};

use super::{Authorized, authorize};
use crate::auth::{AuthSettings, SecretKey};
use crate::buffer::BlockPool;
use crate::chunk::MemoryChunks;
use crate::engine::{ByteSource, CreateBucket, Engine, Expected, PutObject, SourceError};
use crate::guard::{Admission, Drain};
use crate::identity::{Keyring, Policies, Principal, RootCredentials, Session};
use crate::meta::{MemoryMeta, MetaStore as _};
use crate::policy::{Document, Kind};
use crate::rules::{AclSubject, CannedAcl, DayLength, OwnershipControls, PublicAccessBlock, WritePrecondition, acl};
use crate::s3::authenticate::Authenticated;
use crate::s3::route::route;
use crate::s3::{Code, Gateway, S3Error, S3Settings};
use crate::types::{
    BucketName, ChecksumValue, DocumentKind, Documents, ManualClock, ObjectKey, ObjectMetadata, ObjectOwnership,
    OwnerId, RateLimits, SourceRates, Timestamp, VersionAttributes,
};

const REQUESTS: [(&str, &str); 7] = [
    ("GET", "/bucket/a/k"),
    ("GET", "/bucket/a/k?tagging"),
    ("GET", "/bucket/a/k?acl"),
    ("PUT", "/bucket/a/k"),
    ("DELETE", "/bucket/a/k"),
    ("GET", "/bucket?list-type=2&prefix=a/"),
    ("GET", "/bucket?versioning"),
];
/// Denies everything there is.
const DENY: Line = Line { is_allow: false, principal: "*", action: "*", resource: "*", condition: "" };

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    /// Who owns the bucket.
    Alice,
    Bob,
    Root,
}

/// A statement; the principal is the bucket policy's alone.
#[derive(Clone, Copy, Debug)]
struct Line {
    is_allow: bool,
    principal: &'static str,
    action: &'static str,
    resource: &'static str,
    condition: &'static str,
}

/// All that has a say.
#[derive(Clone, Debug)]
struct Case {
    who: Who,
    request: (&'static str, &'static str),
    identity: Option<Vec<Line>>,
    session: Option<Vec<Line>>,
    policy: Vec<Line>,
    bucket_acl: CannedAcl,
    object_acl: CannedAcl,
    is_bobs_object: bool,
    ownership: ObjectOwnership,
    ignores_acls: bool,
    restricts_policy: bool,
}

struct Empty;

impl ByteSource for Empty {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        Poll::Ready(None)
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

/// A canonical id, as policies can name it.
fn owner(name: &str) -> OwnerId {
    OwnerId(hex::encode(name).repeat(64)[..64].to_owned())
}

fn json(kind: Kind, lines: &[Line]) -> String {
    let statement = |line: &Line| {
        let Line { is_allow, principal, action, resource, condition } = line;
        let effect = if *is_allow { "Allow" } else { "Deny" };
        let principal = match (kind, *principal) {
            (Kind::Bucket, "*") => r#""Principal":"*","#.to_owned(),
            (Kind::Bucket, name) => format!(r#""Principal":{{"CanonicalUser":"{}"}},"#, owner(name)),
            (Kind::Identity | Kind::Session | Kind::Trust, _) => String::new(),
        };
        let resource = match *resource {
            // What a bucket policy names must lie in the bucket.
            "*" => r#"["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]"#.to_owned(),
            other => format!(r#""arn:aws:s3:::{other}""#),
        };
        format!(r#"{{{principal}"Effect":"{effect}","Action":"{action}","Resource":{resource}{condition}}}"#)
    };
    let statements: Vec<String> = lines.iter().map(statement).collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

fn document(kind: Kind, lines: &[Line]) -> Arc<Document> {
    let json = json(kind, lines);
    Arc::new(Document::parse(kind, json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}")))
}

/// Policies of a principal: a document for each line, so that they are joined as well.
fn attached(kind: Kind, lines: &[Line]) -> Policies {
    lines.iter().map(|line| document(kind, &[*line])).collect()
}

impl Case {
    fn principal(&self) -> Principal {
        let (name, is_root) = match self.who {
            Who::Nobody => return Principal::Anonymous,
            Who::Alice => ("alice", false),
            Who::Bob => ("bob", false),
            Who::Root => ("root", true),
        };
        let session = self.session.as_ref().map(|lines| Session {
            access_key_id: "ASIA1".to_owned(),
            role_session: Some("s".to_owned()),
            issued: Timestamp(0),
            policies: Some(attached(Kind::Session, lines)),
        });
        Principal::Identity {
            owner: owner(name),
            name: name.to_owned(),
            access_key_id: name.to_owned(),
            is_root,
            policies: self.identity.as_ref().map(|lines| attached(Kind::Identity, lines)),
            rates: SourceRates::default(),
            session: session.map(Arc::new),
        }
    }

    fn documents(&self) -> Documents {
        let alice = owner("alice");
        let block = PublicAccessBlock {
            ignore_public_acls: self.ignores_acls,
            restrict_public_buckets: self.restricts_policy,
            ..PublicAccessBlock::default()
        };
        let bucket_acl = self.bucket_acl.expand(AclSubject::Bucket, &alice, &alice);
        let mut documents = Documents::default();
        let mut set = |kind, body: Vec<u8>| documents.0.insert(kind, body.into());
        set(DocumentKind::Acl, acl::encode(&bucket_acl));
        set(DocumentKind::Ownership, OwnershipControls::Rule(self.ownership).encode());
        set(DocumentKind::PublicAccessBlock, block.encode());
        if !self.policy.is_empty() {
            set(DocumentKind::Policy, json(Kind::Bucket, &self.policy).into_bytes());
        }
        documents
    }

    /// Sends the request through the stage, over a bucket with that object in it.
    async fn outcome(&self) -> Result<Authorized, S3Error> {
        let gateway = gateway().await;
        let mut new = CreateBucket::new(BucketName::parse("bucket").unwrap(), owner("alice"));
        new.documents = self.documents();
        let bucket = gateway.engine.create_bucket(new).await.unwrap();
        let writer = owner(if self.is_bobs_object { "bob" } else { "alice" });
        let acl = Some(self.object_acl.expand(AclSubject::Object, &writer, &bucket.owner));
        let attributes =
            VersionAttributes { owner: self.is_bobs_object.then_some(writer), acl, ..VersionAttributes::default() };
        let put = PutObject {
            bucket,
            key: ObjectKey::parse("a/k").unwrap(),
            metadata: ObjectMetadata { attributes, ..ObjectMetadata::default() },
            customer_key: None,
            expected: Expected::default(),
            precondition: WritePrecondition::default(),
        };
        gateway.engine.put_object(put, &mut Empty).await.unwrap();
        let (method, uri) = self.request;
        let (head, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
        let request = Authenticated::for_test(route(&head, &[]).unwrap(), self.principal());
        authorize(&gateway, request, "TEST", Arc::new(AtomicU64::new(0))).await
    }

    fn is_allowed(&self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        match runtime.block_on(self.outcome()) {
            Ok(_) => true,
            Err(error) if error.code == Code::AccessDenied => false,
            Err(error) => panic!("{error:?}: {self:?}"),
        }
    }

    /// The lists that speak of this asker, the bucket policy last.
    fn voices(&mut self) -> Vec<&mut Vec<Line>> {
        let attached = [&mut self.identity, &mut self.session];
        let attached = attached.into_iter().flatten().filter(|_| self.who != Who::Nobody);
        attached.chain([&mut self.policy]).collect()
    }
}

async fn gateway() -> Gateway {
    let meta = Arc::new(MemoryMeta::new());
    let epoch = meta.begin_epoch().await.unwrap().epoch;
    let root = RootCredentials { access_key_id: "ROOT".to_owned(), secret: SecretKey::new("root") };
    let keyring = Keyring::load(root, meta.clone()).await.unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000)));
    let engine = Engine::new(meta, Arc::new(MemoryChunks::new(epoch)), BlockPool::new(4), clock.clone());
    let settings = S3Settings {
        auth: AuthSettings { region: "us-east-1".to_owned(), allow_v2: false, domains: Vec::new() },
        domains: Vec::new(),
        website_domains: Vec::new(),
        allow_anonymous: true,
        encrypt_by_default: false,
        default_ownership: ObjectOwnership::BucketOwnerEnforced,
        lifecycle_day: DayLength::default(),
        webhooks: Vec::new(),
        rates: RateLimits::default(),
    };
    Gateway::new(Arc::new(engine), Arc::new(keyring), Admission::new(9, 9), Drain::new(), clock, settings)
}

fn line() -> impl Strategy<Value = Line> {
    let principal = select(vec!["*", "bob", "alice"]);
    let action = select(vec!["s3:*", "s3:Get*", "s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:*Object"]);
    let resource = select(vec!["*", "bucket", "bucket/a/*", "bucket/b/*"]);
    let condition = select(vec![
        "",
        "",
        r#","Condition":{"StringLike":{"aws:username":"b*"}}"#,
        r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#,
    ]);
    (any::<bool>(), principal, action, resource, condition).prop_map(
        |(is_allow, principal, action, resource, condition)| {
            // An action on objects says nothing of a bucket, and the other way round: such a statement is refused.
            let resource = if action == "s3:*" { resource } else { "*" };
            Line { is_allow, principal, action, resource, condition }
        },
    )
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    collection::vec(line(), 0..4)
}

fn case() -> impl Strategy<Value = Case> {
    let who = select(vec![Who::Nobody, Who::Alice, Who::Bob, Who::Root]);
    let canned = || {
        let all = vec![
            CannedAcl::Private,
            CannedAcl::PublicRead,
            CannedAcl::PublicReadWrite,
            CannedAcl::AuthenticatedRead,
            CannedAcl::BucketOwnerFullControl,
        ];
        select(all)
    };
    let ownership = select(vec![
        ObjectOwnership::ObjectWriter,
        ObjectOwnership::BucketOwnerPreferred,
        ObjectOwnership::BucketOwnerEnforced,
    ]);
    let attached = (option::of(lines()), option::of(lines()), lines());
    let lists = (canned(), canned(), any::<bool>(), ownership);
    let block = (prop_oneof![3 => Just(false), 1 => Just(true)], prop_oneof![3 => Just(false), 1 => Just(true)]);
    (who, select(REQUESTS.to_vec()), attached, lists, block).prop_map(|(who, request, attached, lists, block)| {
        let (identity, session, policy) = attached;
        let (bucket_acl, object_acl, is_bobs_object, ownership) = lists;
        let (ignores_acls, restricts_policy) = block;
        Case {
            who,
            request,
            identity,
            session,
            policy,
            bucket_acl,
            object_acl,
            is_bobs_object,
            ownership,
            ignores_acls,
            restricts_policy,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_explicit_deny_wins_over_every_allow(case in case(), at in any::<usize>(), place in any::<usize>()) {
        let mut denied = case;
        let mut voices = denied.voices();
        let count = voices.len();
        let lines = &mut voices[at % count];
        lines.insert(place % (lines.len() + 1), DENY);
        prop_assert!(!denied.is_allowed(), "{:?}", denied);
    }

    #[test]
    fn a_further_deny_never_opens_and_a_further_allow_never_closes(case in case(), more in line(), at in any::<usize>()) {
        // A statement that makes the policy public shuts others out where public policies are restricted.
        prop_assume!(!case.restricts_policy);
        let mut after = case.clone();
        let mut voices = after.voices();
        let count = voices.len();
        voices[at % count].push(more);
        let (was, is) = (case.is_allowed(), after.is_allowed());
        prop_assert!(if more.is_allow { is >= was } else { is <= was }, "{} {}: {:?} and {:?}", was, is, case, more);
    }

    #[test]
    fn a_further_grant_never_closes(case in case(), of_bucket in any::<bool>()) {
        let mut after = case.clone();
        if of_bucket {
            (after.bucket_acl, after.object_acl) = (CannedAcl::PublicReadWrite, case.object_acl);
        } else {
            after.object_acl = CannedAcl::PublicReadWrite;
        }
        // What the wider list grants beyond the other: only a private one is sure to be narrower for everybody.
        let before = if of_bucket { case.bucket_acl } else { case.object_acl };
        prop_assume!(before != CannedAcl::BucketOwnerFullControl);
        prop_assert!(after.is_allowed() >= case.is_allowed(), "{:?}", case);
    }

    #[test]
    fn nobody_gets_anything_without_a_policy_or_a_list_that_lets_everybody(case in case()) {
        let mut closed = Case { who: Who::Nobody, ..case };
        closed.policy.retain(|line| !(line.is_allow && line.principal == "*"));
        for list in [&mut closed.bucket_acl, &mut closed.object_acl] {
            if matches!(list, CannedAcl::PublicRead | CannedAcl::PublicReadWrite) {
                *list = CannedAcl::AuthenticatedRead;
            }
        }
        prop_assert!(!closed.is_allowed(), "{:?}", closed);
    }

    #[test]
    fn a_stranger_gets_nothing_where_nothing_names_him(case in case()) {
        let mut closed = Case { who: Who::Bob, is_bobs_object: false, ..case };
        closed.policy.retain(|line| !line.is_allow || line.principal == "alice");
        (closed.bucket_acl, closed.object_acl) = (CannedAcl::Private, CannedAcl::BucketOwnerFullControl);
        prop_assert!(!closed.is_allowed(), "{:?}", closed);
    }

    #[test]
    fn a_session_may_do_no_more_than_its_key(case in case(), session in lines()) {
        let key = Case { session: None, ..case.clone() };
        let session = Case { session: Some(session), ..case };
        prop_assert!(session.is_allowed() <= key.is_allowed(), "{:?}", session);
        // And without policies of its own that allow something, nothing at all.
        let silent = Case { session: Some(Vec::new()), ..key.clone() };
        prop_assert!(key.who == Who::Nobody || !silent.is_allowed(), "{:?}", silent);
    }
}
