//! Which policies are public.

use super::bucket;

#[test]
fn the_public_is_let_in_unless_a_fixed_value_narrows() {
    let everybody = r#""Principal":"*""#;
    let table = [
        (everybody, "", true),
        (r#""Principal":{"AWS":["111122223333","*"]}"#, "", true),
        (r#""Principal":{"AWS":"arn:aws:iam::s3tenant1:root"}"#, "", false),
        (r#""Principal":{"Service":"logging.s3.amazonaws.com"}"#, "", false),
        (everybody, r#""IpAddress":{"aws:SourceIp":"10.0.0.0/32"}"#, false),
        (everybody, r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}"#, false),
        (everybody, r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","64.0.0.0/7"]}"#, true),
        (everybody, r#""IpAddress":{"aws:SourceIp":"0.0.0.0/0"}"#, true),
        (everybody, r#""IpAddress":{"aws:SourceIp":"2001:d00::/31"}"#, true),
        (everybody, r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/32"}"#, true),
        (everybody, r#""IpAddressIfExists":{"aws:SourceIp":"10.0.0.0/32"}"#, true),
        (everybody, r#""StringEquals":{"aws:SourceVpc":"vpc-91237329"}"#, false),
        (everybody, r#""StringLike":{"aws:SourceVpc":"vpc-91237329"}"#, false),
        (everybody, r#""StringLike":{"aws:SourceVpc":"vpc-*"}"#, true),
        (everybody, r#""StringEquals":{"aws:SourceVpc":["vpc-1","${aws:PrincipalTag/v}"]}"#, true),
        (everybody, r#""StringNotEquals":{"aws:SourceVpc":"vpc-1"}"#, true),
        (everybody, r#""ForAllValues:StringEquals":{"aws:PrincipalOrgID":"o-1"}"#, true),
        (everybody, r#""StringEquals":{"aws:PrincipalOrgID":"o-1"}"#, false),
        (everybody, r#""ArnEquals":{"aws:SourceArn":"arn:aws:s3:::other"}"#, false),
        (everybody, r#""ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"}"#, true),
        (everybody, r#""StringLike":{"aws:userid":"AROLEID:*"}"#, true),
        (everybody, r#""StringEquals":{"s3:DataAccessPointAccount":"111122223333"}"#, false),
        (everybody, r#""ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:111122223333:accesspoint/*"}"#, false),
        (everybody, r#""ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:*:accesspoint/*"}"#, true),
        (everybody, r#""StringEquals":{"aws:Referer":"http://example.com/"}"#, true),
        (everybody, r#""Bool":{"aws:SecureTransport":"true"}"#, true),
    ];
    for (principal, condition, expected) in table {
        let document = bucket(&format!(
            r#"{{"Effect":"Allow",{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*",
                "Condition":{{{condition}}}}}"#
        ));
        assert_eq!(document.is_public(), expected, "{principal} {condition}");
    }
}

#[test]
fn one_public_statement_is_enough_and_a_deny_is_none() {
    let allow = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;
    let deny = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}"#;
    let spare = r#"{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:*","Resource":"*"}"#;
    assert!(bucket(&format!("{deny},{allow}")).is_public());
    assert!(!bucket(deny).is_public() && !bucket(spare).is_public());
}
