//! Every operator, with its key there and absent.

use super::{identity, nothing, request, says};
use crate::policy::{Context, MapContext};

/// What a deny and an allow under a condition say, as two letters.
fn under(condition: &str, context: &dyn Context) -> String {
    let of = |effect: &str| {
        identity(&format!(r#"{{"Effect":"{effect}","Action":"s3:*","Resource":"*","Condition":{{{condition}}}}}"#))
    };
    ["Allow", "Deny"].map(|effect| says(&of(effect), &request("s3:PutObject", "b/k", context))).iter().collect()
}

fn holds(condition: &str, context: &dyn Context) -> bool {
    let said = under(condition, context);
    assert!(said == "AD" || said == "--", "allow and deny disagree under {condition}: {said}");
    said == "AD"
}

#[test]
fn every_operator_compares_and_knows_absence() {
    // Operator, key, wanted value, a value that meets it, one that does not, whether it holds without the key.
    let table = [
        ("StringEquals", "aws:Referer", "a*", "a*", "ab", false),
        ("StringNotEquals", "aws:Referer", "a", "A", "a", true),
        ("StringEqualsIgnoreCase", "aws:Referer", "a", "A", "b", false),
        ("StringNotEqualsIgnoreCase", "aws:Referer", "a", "b", "A", true),
        ("StringLike", "aws:Referer", "http://x/*", "http://x/y", "http://z/", false),
        ("StringNotLike", "aws:Referer", "a?", "abc", "ab", true),
        ("NumericEquals", "s3:signatureAge", "10", "10.0", "11", false),
        ("NumericNotEquals", "s3:signatureAge", "10", "11", "10", true),
        ("NumericLessThan", "s3:signatureAge", "10", "9", "10", false),
        ("NumericLessThanEquals", "s3:signatureAge", "10", "10", "11", false),
        ("NumericGreaterThan", "s3:signatureAge", "10", "11", "10", false),
        ("NumericGreaterThanEquals", "s3:signatureAge", "10", "10", "9", false),
        ("DateEquals", "aws:TokenIssueTime", "2020-01-01", "2020-01-01T00:00:00Z", "2020-01-02", false),
        ("DateNotEquals", "aws:TokenIssueTime", "2020-01-01", "2020-01-02", "1577836800", true),
        ("DateLessThan", "aws:TokenIssueTime", "2020-01-01", "2019-12-31T23:59:59Z", "2020-01-01", false),
        ("DateLessThanEquals", "aws:TokenIssueTime", "2020-01-01", "2020-01-01", "2020-01-02", false),
        ("DateGreaterThan", "aws:TokenIssueTime", "2020-01-01", "2020-01-01T00:00:01Z", "2020-01-01", false),
        ("DateGreaterThanEquals", "aws:TokenIssueTime", "2020-01-01", "2020-01-01", "2019", false),
        ("Bool", "aws:SecureTransport", "true", "TRUE", "false", false),
        ("BinaryEquals", "aws:PrincipalTag/k", "QmluCg==", "QmluCg==", "QmluCh==", false),
        ("IpAddress", "aws:SourceIp", "203.0.113.0/24", "203.0.113.9", "203.0.114.9", false),
        ("NotIpAddress", "aws:SourceIp", "2001:db8::/32", "2001:db9::1", "2001:db8::1", true),
        ("ArnEquals", "aws:SourceArn", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", "arn:aws:sns:::bucket", false),
        ("ArnLike", "aws:SourceArn", "arn:aws:*:::b", "arn:aws:s3:::b", "arn:aws:s3:x::b", false),
        ("ArnNotEquals", "aws:SourceArn", "arn:aws:s3:::b", "arn:aws:s3:::c", "arn:aws:s3:::b", true),
        ("ArnNotLike", "aws:SourceArn", "arn:aws:s3:::b*", "arn:aws:s3:::c", "arn:aws:s3:::bb", true),
    ];
    for (operator, key, wanted, met, unmet, when_absent) in table {
        let condition = |prefix: &str, suffix: &str| format!(r#""{prefix}{operator}{suffix}":{{"{key}":"{wanted}"}}"#);
        let plain = condition("", "");
        let (good, bad) = (nothing().with(key, met), nothing().with(key, unmet));
        let both = nothing().with(key, met).with(key, unmet);
        assert!(holds(&plain, &good), "{plain} {met}");
        assert!(!holds(&plain, &bad), "{plain} {unmet}");
        assert_eq!(holds(&plain, &nothing()), when_absent, "{plain} absent");
        let if_exists = condition("", "IfExists");
        let said = [&good as &dyn Context, &bad, &nothing()].map(|context| holds(&if_exists, context));
        assert_eq!(said, [true, false, true], "{if_exists}");
        let all = condition("ForAllValues:", "");
        let said = [&good as &dyn Context, &bad, &both, &nothing()].map(|context| holds(&all, context));
        assert_eq!(said, [true, false, false, true], "{all}");
        let any = condition("ForAnyValue:", "");
        let said = [&good as &dyn Context, &bad, &both, &nothing()].map(|context| holds(&any, context));
        assert_eq!(said, [true, false, true, false], "{any}");
    }
}

#[test]
fn null_asks_whether_the_key_is_there() {
    let there = nothing().with("s3:x-amz-server-side-encryption", "");
    let null = |value: &str| format!(r#""Null":{{"s3:x-amz-server-side-encryption":{value}}}"#);
    assert!(holds(&null(r#""true""#), &nothing()) && !holds(&null("true"), &there));
    assert!(holds(&null("false"), &there) && !holds(&null(r#""false""#), &nothing()));
}

#[test]
fn values_are_alternatives_and_keys_and_operators_are_not() {
    let two = r#""StringEquals":{"aws:Referer":["a","b"]}"#;
    let none = r#""StringNotEquals":{"aws:Referer":["a","b"]}"#;
    for (value, expected) in [("a", true), ("b", true), ("c", false)] {
        let context = nothing().with("aws:referer", value);
        assert_eq!((holds(two, &context), holds(none, &context)), (expected, !expected), "{value}");
    }
    let keys = r#""StringEquals":{"aws:Referer":"a","AWS:UserAgent":"b"}"#;
    let operators = r#""StringEquals":{"aws:Referer":"a"},"StringNotEquals":{"aws:UserAgent":"c"}"#;
    for condition in [keys, operators] {
        let context = |agent: &str| nothing().with("aws:Referer", "a").with("aws:UserAgent", agent);
        assert!(holds(condition, &context("b")) && !holds(condition, &context("c")), "{condition}");
        assert!(!holds(condition, &nothing().with("aws:UserAgent", "b")), "{condition}");
    }
}

#[test]
fn sets_of_tags_are_limited_from_both_sides() {
    let only = r#""ForAllValues:StringLike":{"s3:RequestObjectTagKeys":["Owner","Created*"]}"#;
    let at_least = r#""ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":"Owner"}"#;
    let tags = |keys: &[&str]| {
        let mut context = MapContext::default();
        keys.iter().for_each(|key| context.add("s3:RequestObjectTagKeys", *key));
        context
    };
    for (keys, expected) in [
        (&["Owner", "CreatedBy"][..], (true, true)),
        (&["CreatedBy"], (true, false)),
        (&["Owner", "Cost"], (false, true)),
        (&[], (true, false)),
    ] {
        let context = tags(keys);
        assert_eq!((holds(only, &context), holds(at_least, &context)), expected, "{keys:?}");
    }
}

#[test]
fn what_cannot_be_compared_never_allows_and_never_spares_from_a_deny() {
    let number = nothing().with("s3:signatureAge", "soon");
    assert_eq!(under(r#""NumericNotEquals":{"s3:signatureAge":"10"}"#, &number), "-D");
    assert_eq!(under(r#""NumericLessThan":{"s3:signatureAge":"10"}"#, &number), "--");
    let address = nothing().with("aws:SourceIp", "unknown");
    assert_eq!(under(r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, &address), "-D");
    let referer = nothing().with("aws:Referer", "a");
    assert_eq!(under(r#""StringNotEquals":{"aws:Referer":"${aws:PrincipalTag/site}"}"#, &referer), "-D");
    assert_eq!(under(r#""StringEquals":{"aws:Referer":"${aws:PrincipalTag/site}"}"#, &referer), "--");
}

#[test]
fn variables_in_values_are_literal() {
    let context = |value: &str| nothing().with("aws:PrincipalTag/site", value).with("aws:Referer", "abc");
    let like = r#""StringLike":{"aws:Referer":"${aws:PrincipalTag/site}*"}"#;
    assert!(holds(like, &context("ab")) && !holds(like, &context("*")));
    assert!(holds(r#""StringEquals":{"aws:Referer":"${aws:userid, 'x'}"}"#, &nothing().with("aws:Referer", "AIDA1")));
    assert!(holds(r#""StringEquals":{"aws:Referer":"${s3:x-amz-acl, 'abc'}"}"#, &context("")));
    let arn = r#""ArnEquals":{"aws:SourceArn":"${aws:PrincipalArn}"}"#;
    assert!(holds(arn, &nothing().with("aws:SourceArn", "arn:aws:iam::111122223333:user/ann")));
}

#[test]
fn the_request_tells_its_own_time_and_sender() {
    for condition in [
        r#""DateGreaterThan":{"aws:CurrentTime":"2015-10-21T07:27:59Z"}"#,
        r#""DateLessThan":{"aws:CurrentTime":"2015-10-21T07:28:01Z"}"#,
        r#""NumericEquals":{"aws:EpochTime":1445412480}"#,
        r#""DateEquals":{"aws:EpochTime":"2015-10-21T07:28:00Z"}"#,
        r#""StringEquals":{"aws:username":"ann","aws:userid":"AIDA1","aws:PrincipalType":"User"}"#,
        r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#,
        r#""StringEquals":{"sluicegate:KeyName":"k"},"Null":{"sluicegate:KeyFolder":true}"#,
    ] {
        // Nobody overrides what is derived.
        assert!(
            holds(condition, &nothing().with("aws:username", "root").with("sluicegate:KeyName", "x")),
            "{condition}"
        );
    }
}
