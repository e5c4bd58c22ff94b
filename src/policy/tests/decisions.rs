//! The table of `decide`, row by row.

use super::{ANN, CANONICAL, SESSION, bucket, document, identity, known, nothing, request};
use crate::policy::{
    AclGrant, BucketPolicy, Caller, Decision, Document, Identity, Kind, Principal, Reason, Relation, Request, Sources,
    decide,
};

const OWNER: Relation = Relation::Owner;
const OTHER: Relation = Relation::Other;

fn nobody(relation: Relation) -> Sources<'static> {
    Sources { relation, identity: Identity::Policies(&[]), session: None, bucket: None, acl: None }
}

fn ask(principal: Principal<'_>, action: &str, sources: &Sources<'_>) -> Decision {
    let nothing = nothing();
    let path = if action.contains("Bucket") { "b" } else { "b/k" };
    decide(&Request { principal, ..request(action, path, &nothing) }, sources)
}

/// Allows or denies everything, or speaks of something else.
fn says(letter: char) -> &'static str {
    match letter {
        'A' => r#""Effect":"Allow","Action":"s3:*","Resource":"*""#,
        'D' => r#""Effect":"Deny","Action":"s3:*","Resource":"*""#,
        _ => r#""Effect":"Allow","Action":"s3:GetObjectAcl","Resource":"*""#,
    }
}

fn as_identity(letter: char) -> Document {
    identity(&format!("{{{}}}", says(letter)))
}

fn as_session(letter: char) -> Document {
    document(Kind::Session, &format!(r#"{{"Statement":{{{}}}}}"#, says(letter)))
}

/// A bucket policy that names everybody (`A`, `D`, `-`), the account (`a`), the user (`u`) or the session (`s`).
fn as_bucket(letter: char) -> Document {
    let (principal, letter) = match letter {
        'a' => (r#"{"AWS":"111122223333"}"#, 'A'),
        'u' => (r#"{"AWS":["arn:aws:iam::111122223333:user/ann","arn:aws:iam::111122223333:role/ops"]}"#, 'A'),
        's' => (r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/ops/s1"}"#, 'A'),
        letter => (r#""*""#, letter),
    };
    bucket(&format!(r#"{{"Principal":{principal},{}}}"#, says(letter)))
}

/// Relation; identity, session and bucket policy (`A`llow, `D`eny, `-` silent, space for none; in the bucket's
/// `a`ccount, `u`ser, `s`ession allowed); ACL (`g`roup, `c`anonical id); the expected answer.
const DECISIONS: &[(Relation, &str, bool)] = &[
    // Nobody known.
    (Relation::Anonymous, "    ", false),
    (Relation::Anonymous, "  A ", true),
    (Relation::Anonymous, "  - ", false),
    (Relation::Anonymous, "  a ", false),
    (Relation::Anonymous, "   g", true),
    (Relation::Anonymous, "  -g", true),
    (Relation::Anonymous, "  Dg", false),
    // The owner's account itself.
    (Relation::OwnerRoot, "    ", true),
    (Relation::OwnerRoot, "  - ", true),
    (Relation::OwnerRoot, "  D ", false),
    (Relation::OwnerRoot, " -  ", false),
    (Relation::OwnerRoot, " A  ", true),
    // A user of the owner without policies.
    (OWNER, "    ", true),
    (OWNER, "  D ", false),
    (OWNER, " -  ", false),
    (OWNER, " A- ", true),
    (OWNER, " D  ", false),
    // A user of the owner with policies.
    (OWNER, "A   ", true),
    (OWNER, "-   ", false),
    (OWNER, "D   ", false),
    (OWNER, "D A ", false),
    (OWNER, "A D ", false),
    (OWNER, "- A ", true),
    (OWNER, "- u ", true),
    (OWNER, "- a ", false),
    (OWNER, "-  c", false),
    (OWNER, "-  g", true),
    (OWNER, "- ac", false),
    (OWNER, "- ag", true),
    (OWNER, "AA  ", true),
    (OWNER, "A-  ", false),
    (OWNER, "-A  ", false),
    (OWNER, "--A ", false),
    (OWNER, "--u ", false),
    (OWNER, "-Au ", true),
    (OWNER, "--s ", true),
    (OWNER, "-Ds ", false),
    // A user of somebody else.
    (OTHER, "    ", false),
    (OTHER, "A   ", false),
    (OTHER, "  A ", true),
    (OTHER, "  a ", true),
    (OTHER, "   c", true),
    (OTHER, "   g", true),
    (OTHER, "- A ", false),
    (OTHER, "-  c", false),
    (OTHER, "A A ", true),
    (OTHER, "A a ", true),
    (OTHER, "A  c", true),
    (OTHER, "D A ", false),
    (OTHER, "A Dc", false),
    (OTHER, "A-A ", false),
    (OTHER, "AAA ", true),
    (OTHER, "A-s ", false),
];

#[test]
fn the_table_of_decisions() {
    for (relation, row, expected) in DECISIONS {
        let letters: Vec<char> = row.chars().collect();
        let made = |at: usize, make: fn(char) -> Document| (letters[at] != ' ').then(|| make(letters[at]));
        let (identity, session, bucket) = (made(0, as_identity), made(1, as_session), made(2, as_bucket));
        let (identity, session) = (identity.as_ref().map(|one| [one]), session.as_ref().map(|one| [one]));
        let sources = Sources {
            relation: *relation,
            identity: identity.as_ref().map_or(Identity::Unrestricted, |documents| Identity::Policies(documents)),
            session: session.as_ref().map(|documents| &documents[..]),
            bucket: bucket.as_ref().map(|document| BucketPolicy { document, restricted: false }),
            acl: (letters[3] != ' ').then_some(AclGrant { to_group: letters[3] == 'g', source: "acl" }),
        };
        let principal = match (relation, letters[1], letters[2]) {
            (Relation::Anonymous, ..) => Principal::Anonymous,
            (Relation::OwnerRoot, ..) => known(Caller::Root),
            (_, ' ', _) => known(ANN),
            _ => known(SESSION),
        };
        let decision = ask(principal, "s3:GetObject", &sources);
        assert_eq!(decision.allowed, *expected, "{relation:?} {row:?}: {}", decision.reason);
        assert!(!decision.requires_absent, "{row:?}");
    }
}

#[test]
fn the_owner_itself_is_never_locked_out_of_the_policy() {
    let deny = as_bucket('D');
    let bucket = Some(BucketPolicy { document: &deny, restricted: false });
    let unrestricted = |relation| Sources { identity: Identity::Unrestricted, bucket, ..nobody(relation) };
    for action in ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"] {
        assert!(ask(known(Caller::Root), action, &unrestricted(Relation::OwnerRoot)).allowed, "{action}");
        assert!(!ask(known(ANN), action, &unrestricted(OWNER)).allowed, "{action}");
        assert!(!ask(known(Caller::Root), action, &unrestricted(OTHER)).allowed, "{action}");
    }
    assert!(!ask(known(Caller::Root), "s3:DeleteBucket", &unrestricted(Relation::OwnerRoot)).allowed);
    assert!(!ask(known(Caller::Root), "s3:GetBucketAcl", &unrestricted(Relation::OwnerRoot)).allowed);
}

#[test]
fn a_restricted_public_policy_allows_the_owners_account_only() {
    let everybody = as_bucket('A');
    let with = |relation, restricted| Sources {
        bucket: Some(BucketPolicy { document: &everybody, restricted }),
        identity: if relation == OWNER { Identity::Policies(&[]) } else { Identity::Unrestricted },
        ..nobody(relation)
    };
    for (relation, principal, when_restricted) in
        [(Relation::Anonymous, Principal::Anonymous, false), (OTHER, known(ANN), false), (OWNER, known(ANN), true)]
    {
        assert!(ask(principal, "s3:GetObject", &with(relation, false)).allowed);
        assert_eq!(ask(principal, "s3:GetObject", &with(relation, true)).allowed, when_restricted, "{relation:?}");
    }
    let deny = as_bucket('D');
    let denies = Sources { bucket: Some(BucketPolicy { document: &deny, restricted: true }), ..nobody(OTHER) };
    assert!(matches!(ask(known(ANN), "s3:GetObject", &denies).reason, Reason::Statement(_)), "a deny still counts");
}

#[test]
fn reasons_name_the_statement_that_decided() {
    let policy = identity(
        r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"},
           {"Sid":"No\nsecrets","Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b/k"}"#,
    )
    .named("policy \"ops\"");
    let documents = [&policy];
    let sources = Sources { identity: Identity::Policies(&documents), ..nobody(OWNER) };
    let reason = |action: &str| ask(known(ANN), action, &sources).reason.to_string();
    assert_eq!(reason("s3:GetBucketAcl"), "policy \"ops\", statement 1");
    assert_eq!(reason("s3:GetObject"), "policy \"ops\", statement \"No\\nsecrets\"");
    assert_eq!(reason("s3:ListBucket"), "nothing allows it");
    let unnamed = as_bucket('D');
    let bucket = Some(BucketPolicy { document: &unnamed, restricted: false });
    let reason = ask(known(ANN), "s3:GetObject", &Sources { bucket, ..nobody(OTHER) }).reason;
    assert_eq!(reason.to_string(), "bucket policy, statement 1");
}

#[test]
fn a_permission_that_depends_on_overwriting_requires_an_absent_key() {
    let allow = |bool: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*",
                "Condition":{{"Bool":{{"sluicegate:OverwritesObject":{bool}}}}}}}"#
        )
    };
    let deny = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:PutObject",
        "Resource":"*","Condition":{"Bool":{"sluicegate:OverwritesObject":"true"}}}"#;
    let table = [
        // The identity policy; whether a put is allowed, and whether of an absent key only.
        (allow("false"), (true, true)),
        (allow(r#""false""#), (true, true)),
        (allow("true"), (false, false)),
        (allow(r#"["true","false"]"#), (true, false)),
        (deny.to_owned(), (true, true)),
        (r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#.to_owned(), (true, false)),
    ];
    for (statements, expected) in table {
        let policy = identity(&statements);
        let documents = [&policy];
        let sources = Sources { identity: Identity::Policies(&documents), ..nobody(OWNER) };
        let decision = ask(known(ANN), "s3:PutObject", &sources);
        assert_eq!((decision.allowed, decision.requires_absent), expected, "{statements}");
        assert!(!ask(known(ANN), "s3:GetObject", &sources).requires_absent, "{statements}");
    }
    // The condition may stand in any of the documents.
    let only_new = bucket(
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*",
            "Condition":{"Bool":{"sluicegate:OverwritesObject":"true"}}}"#,
    );
    let policy = Some(BucketPolicy { document: &only_new, restricted: false });
    let sources = Sources { identity: Identity::Unrestricted, bucket: policy, ..nobody(Relation::OwnerRoot) };
    let decision = ask(known(Caller::Root), "s3:PutObject", &sources);
    assert!(decision.allowed && decision.requires_absent);
}

#[test]
fn an_account_is_known_by_both_of_its_ids() {
    let policy = bucket(&format!(r#"{{"Principal":{{"CanonicalUser":"{CANONICAL}"}},{}}}"#, says('A')));
    let sources = Sources {
        bucket: Some(BucketPolicy { document: &policy, restricted: false }),
        identity: Identity::Unrestricted,
        ..nobody(OTHER)
    };
    assert!(ask(known(ANN), "s3:GetObject", &sources).allowed);
    let stranger = Principal::Known { account: "999922223333", canonical_id: "ff", caller: ANN };
    assert!(!ask(stranger, "s3:GetObject", &sources).allowed);
}
