//! Laws that hold for every set of statements.

use proptest::prelude::{Strategy, any, proptest};
use proptest::sample::select;
use proptest::{collection, prop_assert, prop_assert_eq};

use super::{ANN, SESSION, document, known, letter, nothing, request};
use crate::policy::{
    AclGrant, BucketPolicy, Caller, Decision, Document, Identity, Kind, Principal, Relation, Request, Sources, decide,
    evaluate,
};

const ACTIONS: [&str; 4] = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectTagging"];
const KEYS: [&str; 3] = ["b/a", "b/ann/x", "b/locks/y"];

/// A statement of a bucket policy, or without its principal of any other.
#[derive(Clone, Debug)]
struct Line {
    principal: &'static str,
    rest: String,
    allows: bool,
}

fn line() -> impl Strategy<Value = Line> {
    let principal = select(vec![
        r#""*""#,
        r#"{"AWS":"111122223333"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:user/ann"}"#,
        r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/ops/s1"}"#,
        r#"{"AWS":"999922223333"}"#,
    ]);
    let action = select(vec![
        r#""Action":"s3:*""#,
        r#""Action":["s3:Get*","s3:DeleteObject"]"#,
        r#""Action":"s3:PutObject""#,
        r#""NotAction":"s3:GetObject""#,
    ]);
    let resource = select(vec![
        r#""Resource":"*""#,
        r#""Resource":"arn:aws:s3:::b/${aws:username}/*""#,
        r#""NotResource":"arn:aws:s3:::b/locks/*""#,
        r#""NotResource":"arn:aws:s3:::b/${aws:PrincipalTag/none}""#,
    ]);
    let condition = select(vec![
        "",
        r#","Condition":{"Bool":{"sluicegate:OverwritesObject":"true"}}"#,
        r#","Condition":{"Bool":{"sluicegate:OverwritesObject":"false"}}"#,
        r#","Condition":{"StringNotEquals":{"aws:Referer":"${aws:PrincipalTag/none}"}}"#,
        r#","Condition":{"StringEquals":{"sluicegate:KeyFolder":"locks"}}"#,
    ]);
    (principal, action, resource, condition, any::<bool>()).prop_map(
        |(principal, action, resource, condition, allows)| {
            let condition = if action.contains("NotAction") || !action.contains("Get*") { condition } else { "" };
            let effect = if allows { "Allow" } else { "Deny" };
            Line { principal, rest: format!(r#""Effect":"{effect}",{action},{resource}{condition}"#), allows }
        },
    )
}

fn read(kind: Kind, lines: &[Line]) -> Option<Document> {
    let principal = |line: &Line| match kind {
        Kind::Bucket => format!(r#""Principal":{},"#, line.principal),
        Kind::Identity | Kind::Session | Kind::Trust => String::new(),
    };
    let statements: Vec<String> = lines.iter().map(|line| format!("{{{}{}}}", principal(line), line.rest)).collect();
    let json = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    (!lines.is_empty()).then(|| document(kind, &json))
}

fn lines_from(least: usize) -> impl Strategy<Value = Vec<Line>> {
    collection::vec(line(), least..4)
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    lines_from(0)
}

/// Everything but the documents.
#[derive(Clone, Copy, Debug)]
struct Scene {
    relation: Relation,
    principal: Principal<'static>,
    action: &'static str,
    path: &'static str,
    acl: Option<bool>,
    restricted: bool,
}

fn scene() -> impl Strategy<Value = Scene> {
    let who = select(vec![
        (Relation::Anonymous, Principal::Anonymous),
        (Relation::OwnerRoot, known(Caller::Root)),
        (Relation::Owner, known(ANN)),
        (Relation::Owner, known(SESSION)),
        (Relation::Other, known(ANN)),
        (Relation::Other, known(SESSION)),
    ]);
    let acl = select(vec![None, Some(true), Some(false)]);
    (who, select(ACTIONS.to_vec()), select(KEYS.to_vec()), acl, any::<bool>()).prop_map(
        |((relation, principal), action, path, acl, restricted)| Scene {
            relation,
            principal,
            action,
            path,
            acl,
            restricted,
        },
    )
}

fn answer(scene: Scene, documents: &[Vec<Line>; 3]) -> Decision {
    let context = nothing();
    let identity = read(Kind::Identity, &documents[0]);
    let session = read(Kind::Session, &documents[1]);
    let bucket = read(Kind::Bucket, &documents[2]);
    let (identity, session) = (identity.as_ref().map(|one| [one]), session.as_ref().map(|one| [one]));
    let request = Request { principal: scene.principal, ..request(scene.action, scene.path, &context) };
    let sources = Sources {
        relation: scene.relation,
        // An empty list allows nothing, and no list everything: only the first can grow into more.
        identity: Identity::Policies(identity.as_ref().map_or(&[], |documents| &documents[..])),
        session: session.as_ref().map(|documents| &documents[..]),
        bucket: bucket.as_ref().map(|document| BucketPolicy { document, restricted: scene.restricted }),
        acl: scene.acl.map(|to_group| AclGrant { to_group, source: "acl" }),
    };
    decide(&request, &sources)
}

/// How much a decision lets through: nothing, new keys, everything.
fn width(decision: &Decision) -> u8 {
    match (decision.allowed, decision.requires_absent) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    }
}

proptest! {
    #[test]
    fn a_further_deny_never_allows_and_a_further_allow_never_denies(
        scene in scene(), documents in [lines(), lines(), lines()], more in line(), at in 0..3_usize,
    ) {
        let before = answer(scene, &documents);
        let mut longer = documents;
        // A first statement of a session is a new limit, not a further statement.
        if at == 1 && longer[1].is_empty() {
            return Ok(());
        }
        let allows = more.allows;
        longer[at].push(more);
        let after = answer(scene, &longer);
        // A permission to overwrite without one to create is none, so that only what was there can be compared.
        if allows {
            prop_assert!(width(&after) >= width(&before), "{before:?} {after:?}");
        } else {
            prop_assert!(width(&after) <= width(&before), "{before:?} {after:?}");
        }
    }

    #[test]
    fn the_order_of_statements_does_not_matter(
        scene in scene(), documents in [lines(), lines(), lines()], turn in any::<usize>(),
    ) {
        let before = answer(scene, &documents);
        let mut turned = documents;
        for lines in &mut turned {
            lines.reverse();
            let by = turn.checked_rem(lines.len()).unwrap_or(0);
            lines.rotate_left(by);
        }
        prop_assert_eq!(width(&before), width(&answer(scene, &turned)));
    }

    #[test]
    fn a_session_is_never_wider_than_its_owner(
        scene in scene(), documents in [lines_from(0), lines_from(1), lines_from(0)],
    ) {
        let [identity, _, bucket] = documents.clone();
        let limited = answer(scene, &documents);
        prop_assert!(width(&limited) <= width(&answer(scene, &[identity, Vec::new(), bucket])));
    }

    #[test]
    fn a_document_says_one_of_three_things_by_its_statements(lines in collection::vec(line(), 1..4), scene in scene()) {
        let context = nothing();
        let request = Request { principal: scene.principal, ..request(scene.action, scene.path, &context) };
        let each: String = lines
            .iter()
            .filter_map(|line| read(Kind::Bucket, std::slice::from_ref(line)))
            .map(|document| letter(&evaluate([&document], &request, true)))
            .collect();
        let expected = if each.contains('D') { 'D' } else if each.contains('A') { 'A' } else { '-' };
        let whole = read(Kind::Bucket, &lines).unwrap();
        prop_assert_eq!(letter(&evaluate([&whole], &request, true)), expected, "{}", each);
    }
}
