//! What a document may be.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{collection, prop_assert_eq};

use super::{ANN, bucket, document, identity, known, nothing, request, says};
use crate::limits::{BUCKET_POLICY_BYTES_MAX, POLICY_WILDCARDS_MAX};
use crate::policy::{Document, Kind, MapContext, PolicyError, Principal, Request, Target};

/// A statement of a bucket policy with `change` in place of one of its elements.
fn refusal(kind: Kind, statement: &str) -> Option<PolicyError> {
    let json = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
    Document::parse(kind, json.as_bytes()).err()
}

#[test]
fn what_aws_refuses_is_refused_and_named() {
    use PolicyError as E;
    let p = r#""Effect":"Allow","Principal":"*""#;
    let get = r#""Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#;
    let list = r#""Action":"s3:ListBucket","Resource":"arn:aws:s3:::b""#;
    let table = [
        ("[]".to_owned(), E::Missing("Statement")),
        (r#"["x"]"#.to_owned(), E::Unknown("Statement".into())),
        (format!("{{\"Principal\":\"*\",{get}}}"), E::Missing("Effect")),
        (format!("{{\"Effect\":\"Allow\",{get}}}"), E::Missing("Principal")),
        (format!("{{{p},\"Resource\":\"*\"}}"), E::Missing("Action")),
        (format!("{{{p},\"Action\":\"*\"}}"), E::Missing("Resource")),
        (format!("{{{p},{get},\"NotAction\":\"s3:PutObject\"}}"), E::Both("Action")),
        (format!("{{{p},{get},\"Effects\":1}}"), E::Unknown("Effects".into())),
        (format!("{{{p},{get},\"Effect\":\"Deny\"}}"), E::Duplicate("Effect".into())),
        (format!("{{\"Effect\":\"allow\",\"Principal\":\"*\",{get}}}"), E::Effect("allow".into())),
        (format!("[{{\"Sid\":\"a\",{p},{get}}},{{\"Sid\":\"a\",{p},{get}}}]"), E::Sid),
        (format!("{{\"Effect\":\"Allow\",\"Principal\":\"ann\",{get}}}"), E::Principal),
        (format!("{{\"Effect\":\"Allow\",\"NotPrincipal\":{{\"AWS\":\"111122223333\"}},{get}}}"), E::Principal),
        (format!("{{{p},\"Action\":\"s3:Frob\",\"Resource\":\"*\"}}"), E::Action),
        (format!("{{{p},\"Action\":[],\"Resource\":\"*\"}}"), E::Action),
        (format!("{{{p},\"Action\":\"iam:GetUser\",\"Resource\":\"*\"}}"), E::Action),
        (format!("{{{p},\"Action\":\"*\",\"Resource\":\"b/*\"}}"), E::Resource),
        (format!("{{{p},\"Action\":\"*\",\"Resource\":[]}}"), E::Resource),
        (format!("{{{p},\"Action\":\"*\",\"Resource\":\"arn:aws:s3:us-east-1::b\"}}"), E::Resource),
        (format!("{{{p},\"Action\":\"*\",\"Resource\":\"arn:aws:s3:::${{aws:username\"}}"), E::Variable),
        (format!("{{{p},\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::b/*\"}}"), E::ActionResource),
        (format!("{{{p},\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b\"}}"), E::ActionResource),
        (format!("{{{p},{list},\"Condition\":{{\"Eq\":{{\"s3:prefix\":\"a\"}}}}}}"), E::Operator("Eq".into())),
        (format!("{{{p},{list},\"Condition\":{{\"StringEquals\":{{\"s3:prefi\":\"a\"}}}}}}"), E::ConditionKey),
        (format!("{{{p},{get},\"Condition\":{{\"StringEquals\":{{\"s3:prefix\":\"a\"}}}}}}"), E::ConditionAction),
        (
            format!("{{{p},{list},\"Condition\":{{\"StringEquals\":{{\"s3:prefix\":[]}}}}}}"),
            E::ConditionValue("s3:prefix".into()),
        ),
        (
            format!("{{{p},{list},\"Condition\":{{\"NumericEquals\":{{\"s3:max-keys\":\"ten\"}}}}}}"),
            E::ConditionValue("ten".into()),
        ),
        (
            format!("{{{p},{list},\"Condition\":{{\"IpAddress\":{{\"aws:SourceIp\":\"10.0.0.0/33\"}}}}}}"),
            E::ConditionValue("10.0.0.0/33".into()),
        ),
    ];
    for (statement, expected) in table {
        assert_eq!(refusal(Kind::Bucket, &statement), Some(expected), "{statement}");
    }
    for bytes in [&b""[..], b"x", b"[]", b"\"{}\"", b"{", b"{} {}", b"\xff"] {
        assert_eq!(Document::parse(Kind::Bucket, bytes), Err(E::NotJson), "{bytes:?}");
    }
    let statement = format!("{{{p},{get}}}");
    for (json, expected) in [
        (format!(r#"{{"Version":"2012-10-18","Statement":{statement}}}"#), E::Version),
        (format!(r#"{{"Version":"2012-10-17","Statement":{statement},"X":1}}"#), E::Unknown("X".into())),
        (r#"{"Version":"2012-10-17"}"#.to_owned(), E::Missing("Statement")),
    ] {
        assert_eq!(Document::parse(Kind::Bucket, json.as_bytes()), Err(expected), "{json}");
    }
}

#[test]
fn a_document_as_long_as_may_be_is_read_and_one_byte_more_refused() {
    let json = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    let at_most = format!("{json}{}", " ".repeat(BUCKET_POLICY_BYTES_MAX - json.len()));
    assert!(Document::parse(Kind::Bucket, at_most.as_bytes()).is_ok());
    let refused = Document::parse(Kind::Bucket, format!("{at_most} ").as_bytes());
    assert_eq!(refused, Err(PolicyError::TooLong(BUCKET_POLICY_BYTES_MAX)));
}

#[test]
fn a_document_has_only_so_many_single_wildcards() {
    let of = |marks: usize| {
        let marks = "\\u003f".repeat(marks);
        format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b/?","arn:aws:s3:::b/{marks}"]}}"#
        )
    };
    assert_eq!(refusal(Kind::Bucket, &of(POLICY_WILDCARDS_MAX - 1)), None);
    let refused = refusal(Kind::Bucket, &of(POLICY_WILDCARDS_MAX));
    assert_eq!(refused, Some(PolicyError::TooManyWildcards(POLICY_WILDCARDS_MAX)));
}

#[test]
fn each_kind_has_its_own_grammar() {
    let with = r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#;
    let without = r#"{"Effect":"Allow","Action":["s3:*","iam:*"],"Resource":["*","arn:aws:iam::1:user/x"]}"#;
    assert_eq!(refusal(Kind::Trust, with), None);
    assert_eq!(refusal(Kind::Bucket, with), Some(PolicyError::Action));
    assert_eq!(refusal(Kind::Identity, with), Some(PolicyError::Unknown("Principal".into())));
    assert_eq!((refusal(Kind::Identity, without), refusal(Kind::Session, without)), (None, None));
    assert_eq!(refusal(Kind::Trust, without), Some(PolicyError::Unknown("Resource".into())));
    let trust = document(Kind::Trust, &format!(r#"{{"Statement":{with}}}"#));
    let nothing = nothing();
    let assume = Request { target: Target::Arn("arn:aws:iam::1:role/ops"), ..request("sts:AssumeRole", "", &nothing) };
    assert_eq!(says(&trust, &assume), 'A');
    assert_eq!(says(&trust, &Request { principal: Principal::Anonymous, ..assume }), '-');
}

#[test]
fn a_bucket_policy_stays_in_its_bucket() {
    let of = |resource: &str| {
        bucket(&format!(r#"{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":{resource}}}"#))
    };
    for resource in [
        r#""*""#,
        r#"["arn:aws:s3:::mine","arn:aws:s3:::mine/*"]"#,
        r#""arn:aws:s3:::*""#,
        r#""arn:aws:s3:::*/*""#,
        r#""arn:aws:s3:::mi*""#,
        r#""arn:aws:s3:::mine/${aws:username}/*""#,
    ] {
        assert_eq!(of(resource).check_bucket("mine"), Ok(()), "{resource}");
    }
    for resource in [
        r#""arn:aws:s3:::other/*""#,
        r#"["arn:aws:s3:::mine","arn:aws:s3:::other"]"#,
        r#""arn:aws:s3:::mine2""#,
        r#""arn:aws:s3:::min""#,
        r#""arn:aws:s3:::other/mine/*""#,
    ] {
        assert_eq!(of(resource).check_bucket("mine"), Err(PolicyError::Resource), "{resource}");
    }
}

#[test]
fn actions_resources_and_their_opposites() {
    let nothing = nothing();
    let of = |what: &str| identity(&format!(r#"{{"Effect":"Allow",{what}}}"#));
    let table = [
        (r#""Action":"s3:GET*","Resource":"arn:aws:s3:::b/*""#, "s3:GetObject", "b/a/b", 'A'),
        (r#""Action":"s3:Get*","Resource":"arn:aws:s3:::b/*""#, "s3:GetObject", "b/", 'A'),
        (r#""Action":"s3:Get*","Resource":"arn:aws:s3:::b/*""#, "s3:GetBucketAcl", "b", '-'),
        (r#""Action":"s3:Get*","Resource":"arn:aws:s3:::b/A*""#, "s3:GetObject", "b/a", '-'),
        (r#""Action":"s3:Get*","Resource":"arn:aws:s3:::b*""#, "s3:GetObject", "bb/a", 'A'),
        (r#""NotAction":"s3:Delete*","Resource":"*""#, "s3:PutObject", "b/a", 'A'),
        (r#""NotAction":"s3:Delete*","Resource":"*""#, "s3:DeleteObject", "b/a", '-'),
        (r#""Action":"*","NotResource":["arn:aws:s3:::b/x*"]"#, "s3:PutObject", "b/a", 'A'),
        (r#""Action":"*","NotResource":["arn:aws:s3:::b/x*"]"#, "s3:PutObject", "b/xa", '-'),
        (r#""Action":"*","NotResource":"arn:aws:s3:::b/${aws:PrincipalTag/t}""#, "s3:PutObject", "b/a", '-'),
        (r#""Action":"*","Resource":"arn:aws:s3:::b/${aws:username}/*""#, "s3:PutObject", "b/ann/1", 'A'),
        (r#""Action":"*","Resource":"arn:aws:s3:::b/${aws:username}/*""#, "s3:PutObject", "b/eve/1", '-'),
        (r#""Action":"s3:ListAllMyBuckets","Resource":"arn:aws:s3:::*""#, "s3:ListAllMyBuckets", "", 'A'),
    ];
    for (what, action, path, expected) in table {
        assert_eq!(says(&of(what), &request(action, path, &nothing)), expected, "{what} {action} {path}");
    }
}

#[test]
fn variables_exist_since_2012_only() {
    let json = |version: &str| {
        format!(
            r#"{{{version}"Statement":{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${{aws:username}}"}}}}"#
        )
    };
    let nothing = nothing();
    for (version, expected) in [("", "-A"), (r#""Version":"2008-10-17","#, "-A"), (r#""Version":"2012-10-17","#, "A-")]
    {
        let document = document(Kind::Identity, &json(version));
        let said: String = ["b/ann", "b/${aws:username}"]
            .map(|path| says(&document, &request("s3:GetObject", path, &nothing)))
            .iter()
            .collect();
        assert_eq!(said, expected, "{version}");
    }
}

#[test]
fn those_that_not_principal_spares_are_named_themselves() {
    let of = |named: &str| {
        bucket(&format!(r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":["{named}"]}},"Action":"s3:*","Resource":"*"}}"#))
    };
    let nothing = nothing();
    let ask = |document: &Document, principal| {
        says(document, &Request { principal, ..request("s3:GetObject", "b/a", &nothing) })
    };
    let user = of("arn:aws:iam::111122223333:user/ann");
    assert_eq!((ask(&user, known(ANN)), ask(&user, Principal::Anonymous)), ('-', 'D'));
    let account = of("arn:aws:iam::111122223333:root");
    assert_eq!((ask(&account, known(ANN)), ask(&account, known(crate::policy::Caller::Root))), ('D', '-'));
}

#[test]
fn documents_tell_which_keys_they_ask_for() {
    let document = bucket(
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject*","Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringEquals":{"s3:existingobjecttag/Project":"x"}}},
           {"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/T}/*"}"#,
    );
    assert!(document.mentions("s3:GetObject", "s3:ExistingObjectTag/"));
    assert!(document.mentions("s3:getobjectacl", "s3:existingobjecttag/Project"));
    assert!(!document.mentions("s3:GetObject", "s3:ExistingObjectTag/project"));
    assert!(!document.mentions("s3:PutObject", "s3:ExistingObjectTag/"));
    assert!(document.mentions("s3:PutObject", "aws:PrincipalTag/"));
}

/// JSON that is nearly a policy.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("Version"),
        Just("Statement"),
        Just("Effect"),
        Just("Allow"),
        Just("Principal"),
        Just("NotPrincipal"),
        Just("AWS"),
        Just("*"),
        Just("Action"),
        Just("s3:GetObject"),
        Just("s3:*"),
        Just("Resource"),
        Just("arn:aws:s3:::b/${aws:username}"),
        Just("${"),
        Just("Condition"),
        Just("StringLike"),
        Just("ForAllValues:IpAddressIfExists"),
        Just("aws:SourceIp"),
        Just("10.0.0.0/8"),
        Just("2012-10-17"),
        Just("s3:ExistingObjectTag/a"),
        Just("DateEquals"),
        Just("Null"),
        Just(""),
    ]
    .prop_map(str::to_owned);
    let word =
        prop_oneof![4 => word, 1 => any::<String>()].prop_map(|word| serde_json::Value::String(word).to_string());
    let leaf =
        prop_oneof![6 => word.clone(), 1 => Just("null".to_owned()), 1 => any::<i64>().prop_map(|n| n.to_string())];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let entry = (word.clone(), inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            collection::vec(entry, 0..5).prop_map(|entries| format!("{{{}}}", entries.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes in collection::vec(any::<u8>(), 0..200), json in nearly()) {
        for kind in [Kind::Bucket, Kind::Identity, Kind::Session, Kind::Trust] {
            let _ = Document::parse(kind, &bytes);
            let _ = Document::parse(kind, json.as_bytes());
            let inside = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{json}}}}}"#);
            if let Ok(document) = Document::parse(kind, inside.as_bytes()) {
                says(&document, &request("s3:GetObject", "b/a", &MapContext::default()));
            }
        }
    }

    #[test]
    fn reading_twice_reads_the_same(json in nearly()) {
        let read = || Document::parse(Kind::Identity, json.as_bytes());
        prop_assert_eq!(read(), read());
    }
}
